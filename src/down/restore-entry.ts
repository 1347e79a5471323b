import { writeAcceptance } from '../archive/acceptances.ts';
import { type Entry, loadCapture, markRestored } from '../archive/entry.ts';
import { checkKeepers } from '../archive/keepers.ts';
import { checkStores, compareRows, countRows, type KeptRows } from '../archive/kept-rows.ts';
import { type Accepted, acceptDifferences } from '../capture/accept-differences.ts';
import type { Statement } from '../capture/capture.ts';
import { checkPaths } from '../capture/check-paths.ts';
import { compareFacts, type Difference } from '../capture/compare.ts';
import { checkPrerequisites } from '../capture/prerequisites.ts';
import { restoreSchemaComment } from '../capture/schema-comment.ts';
import type { Survivor } from '../catalog/closure.ts';
import { type Fact, readSurvivorFacts } from '../catalog/facts/facts.ts';
import { UndropError } from '../errors.ts';
import { type LockMode, readSurvivorLocks, takeLocks } from '../locks/lock-closure.ts';
import { type Patience, withLockTries } from '../locks/lock-retries.ts';
import type { Options } from '../options/options.ts';
import { checkDeferred } from '../session/deferred-constraints.ts';
import type { Session } from '../session/session.ts';
import { countTables, say } from '../text/log.ts';
import { compareArchived } from './across-majors.ts';
import { findUntold, haveResolved } from './earlier-entries.ts';
import { describeReplaced, type Replaced, readReplaced } from './replaced-tables.ts';
import { readRestored, replay } from './replay.ts';
import { readTied } from './tied-rows.ts';

/** How a restore waits, and what it accepts. */
export type RestoreOptions = Patience & Pick<Options, 'acceptDifferences'>;

/**
 * Brings back all of an open entry, shows by the facts that it is what it was, and marks the entry restored.
 *
 * @throws UndropError as `replayEntry`; `lock-timeout`
 */
export async function restoreEntry(
  session: Session,
  entry: Entry,
  options: RestoreOptions,
  command: 'down' | 'restore',
): Promise<void> {
  await checkKeepers(session);
  // The restore locks referenced tables: whoever uses them must not have to queue behind it.
  const survivors = await readSurvivors(session, entry);
  const locks = await readSurvivorLocks(session, survivors, await neededMode(session, entry));
  await checkDeferred(session, `${entry.migration} brings tables back`, async () =>
    survivors.map(({ oid }) => oid),
  );
  session.phase('lock');
  const { rows, accepted } = await withLockTries(
    session,
    options,
    () => locks,
    async ({ ms }) => {
      await takeLocks(session, locks, ms);
      const replayed = await replayEntry(session, entry, survivors, options.acceptDifferences);
      if (entry.schemaComment !== null) await restoreSchemaComment(session, entry.schemaComment);
      await markRestoredAs(session, entry, command, replayed.accepted);
      return replayed;
    },
  );
  say(
    `${entry.migration}: ${countTables(entry.tables)} ${rows.length === 0 ? '' : `with ${countRows(rows)} `}` +
      `restored, ${describeOutcome(entry, accepted)}`,
  );
}

/** Whether what is back equals what was dropped. */
export function describeOutcome({ droppedAt }: Entry, accepted: Accepted | null): string {
  if (accepted === null) return `equal to what was dropped on ${droppedAt}`;
  const { digest, differences } = accepted;
  return `with ${differences.length} accepted differences to what was dropped on ${droppedAt} (${digest})`;
}

/** The entry is restored. Where differences were accepted, the archive keeps these, and the rows. */
export async function markRestoredAs(
  session: Session,
  { id }: Entry,
  command: 'down' | 'restore',
  accepted: Accepted | null,
): Promise<void> {
  await markRestored(session, id, accepted === null ? 'remove rows' : 'keep rows');
  if (accepted !== null) await writeAcceptance(session, id, command, accepted);
}

// Where only foreign keys and triggers come back to them, others may go on reading.
const modeSql = /* sql */ `
  select case when d.host_changes <> '[]' or exists (
      select from undrop.facts as f
      join pg_catalog.jsonb_to_recordset(d.hosts) as h (kind text, identity text)
        on h.kind || ' ' || h.identity in
          (f.columns ->> 'polrelid', f.columns ->> 'adrelid', f.columns ->> 'ev_class', f.columns ->> 'inhparent')
      where f.drop_id = d.id and f.catalog in ('pg_policy', 'pg_attrdef', 'pg_rewrite', 'pg_inherits'))
    then 'access exclusive' else 'share row exclusive' end as mode
  from undrop.drops as d
  where d.id = $1`;

async function neededMode(session: Session, { id }: Entry): Promise<LockMode> {
  const [row] = await session.read<{ mode: LockMode }>(modeSql, [id]);
  return row?.mode ?? 'access exclusive';
}

/**
 * Replays an entry and compares; marks nothing.
 *
 * @throws UndropError `archive-damaged`, `name-taken`, `prerequisite-gone`, `restore-failed`, `restore-differs`
 */
export async function replayEntry(
  session: Session,
  entry: Entry,
  survivors: readonly Survivor[],
  accepted: readonly string[],
): Promise<Replayed> {
  const { statements, facts, rows, replaced } = await readReplay(session, entry);
  const before = { survivors, facts: await readSurvivorFacts(session, survivors) };
  session.phase('restore');
  await replay(session, statements, 'restore-failed');
  session.phase('compare');
  const differences = [
    ...(await compareRestored(session, entry, { facts, rows }, before)),
    ...(await readTied(session, replaced, { facts, rows })),
  ];
  return {
    rows,
    accepted: acceptDifferences(differences, accepted, {
      code: 'restore-differs',
      message: 'What was restored is not what was dropped.',
      next: 'Nothing was changed. Undo what has changed around the tables since the drop, then roll back again.',
      rows: 'accept',
    }),
  };
}

/** What came back, and which differences were accepted. */
export interface Replayed {
  readonly rows: readonly KeptRows[];
  readonly accepted: Accepted | null;
}

/**
 * What a replay of the entry would run, and what it would find replaced. Changes nothing.
 *
 * @throws UndropError `archive-damaged`, `name-taken`, `prerequisite-gone`, `restore-failed` where it could not be run
 */
export async function readReplay(
  session: Session,
  entry: Entry,
): Promise<{ statements: Statement[]; facts: Fact[]; rows: KeptRows[]; replaced: Replaced[] }> {
  const capture = await loadCapture(session, entry);
  await checkStores(session, capture.rows);
  await checkNames(session, capture.facts);
  await checkPrerequisites(session, entry.prerequisites);
  await checkPaths(session, capture.statements, entry.prerequisites);
  const replaced = await readReplaced(session, entry);
  if (replaced.length > 0) say(`${entry.migration}: ${describeReplaced(replaced)}`);
  return { ...capture, replaced };
}

const survivorsSql = /* sql */ `
  select pg_catalog.to_regclass(h.identity)::oid::bigint as oid, h.kind, h.identity
  from pg_catalog.jsonb_to_recordset($1::jsonb) as h (kind text, identity text)
  where pg_catalog.to_regclass(h.identity) is not null
  order by h.identity`;

/** The relations that the drop left but took something of, as far as they are still there. */
export function readSurvivors(session: Session, entry: Entry): Promise<Survivor[]> {
  return session.read<Survivor>(survivorsSql, [JSON.stringify(entry.survivors)]);
}

/**
 * @throws UndropError `name-taken` naming every relation of the entry that is there
 */
async function checkNames(session: Session, facts: readonly Fact[]): Promise<void> {
  const relations = facts
    .filter(({ catalog }) => catalog === 'pg_class')
    .map(({ identity, columns }) => ({ identity, schema: columns.relnamespace, name: columns.relname }));
  const taken = await session.read<{ identity: string }>(takenSql, [JSON.stringify(relations)]);
  if (taken.length === 0) return;
  const names = taken.map(({ identity }) => identity).join(', ');
  throw new UndropError('name-taken', {
    subject: names,
    message: `${names} ${taken.length === 1 ? 'is' : 'are'} there already.`,
    reason: 'The restore makes objects of the same names, and overwrites nothing.',
    next: 'Rename or drop what stands there now, then roll back again.',
  });
}

const takenSql = /* sql */ `
  select r.identity
  from pg_catalog.jsonb_to_recordset($1::jsonb) as r (identity text, schema text, name text)
  where exists (
    select from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.relname = r.name and 'schema ' || pg_catalog.quote_ident(n.nspname) = r.schema)
  order by r.identity`;

interface Survivors {
  readonly survivors: readonly Survivor[];
  readonly facts: readonly Fact[];
}

/**
 * The closure must be exactly what was archived. The survivors may have changed meanwhile: of them, only what the drop
 * took must be what the restore gave back.
 *
 * @returns what differs
 */
async function compareRestored(
  session: Session,
  entry: Entry,
  archived: { readonly facts: readonly Fact[]; readonly rows: readonly KeptRows[] },
  before: Survivors,
): Promise<Difference[]> {
  const { closure, facts } = await readRestored(
    session,
    entry.tables.map(({ sql }) => sql),
  );
  const given = compareFacts(before.facts, await readSurvivorFacts(session, before.survivors));
  const own = compareArchived(entry.serverVersion, archived.facts, session.server, facts.own);
  if (own.printed.length > 0) say(describePrinted(entry, own.printed));
  return [
    ...own.differences,
    ...(haveResolved(archived.facts) ? [] : await findUntold(session, closure, facts.own)),
    ...compareChanges(entry.survivorChanges, given),
    ...(await compareRows(session, archived.rows)),
  ];
}

function describePrinted({ migration, serverVersion }: Entry, printed: readonly Difference[]): string {
  const objects = [...new Set(printed.map(({ object }) => object))].join(', ');
  return `${migration}: dropped on PostgreSQL ${serverVersion}, which printed these in other words: ${objects}`;
}

/** What was given back but not taken, and what was taken but not given back. */
function compareChanges(taken: readonly Difference[], given: readonly Difference[]): Difference[] {
  const undone = given.map((difference) => ({
    ...difference,
    before: difference.after,
    after: difference.before,
  }));
  const key = ({ object, catalog, column, before, after }: Difference) =>
    JSON.stringify([object, catalog, column, before, after]);
  const takenKeys = new Set(taken.map(key));
  const undoneKeys = new Set(undone.map(key));
  return [
    ...given.filter((_, index) => !takenKeys.has(key(undone[index] as Difference))),
    ...taken.filter((difference) => !undoneKeys.has(key(difference))),
  ];
}
