import { writeAcceptance } from '../archive/acceptances.ts';
import { changeArchive } from '../archive/change-archive.ts';
import { type Entry, loadCapture, markRestored } from '../archive/entry.ts';
import { refuseGivenUp } from '../archive/give-up.ts';
import { checkKeepers } from '../archive/keepers.ts';
import { checkStores, compareRows, describeKept, type KeptRows } from '../archive/kept-rows.ts';
import { checkMoved, withMoves } from '../archive/move-tables.ts';
import { ensureArchive } from '../archive/schema.ts';
import { type Accepted, acceptDifferences } from '../capture/accept-differences.ts';
import type { Statement } from '../capture/capture.ts';
import { checkPaths } from '../capture/check-paths.ts';
import { compareFacts, type Difference } from '../capture/compare.ts';
import { checkPrerequisites } from '../capture/prerequisites.ts';
import { restoreSchemaComment } from '../capture/schema-comment.ts';
import type { Survivor } from '../catalog/closure.ts';
import { type Fact, readSurvivorFacts } from '../catalog/facts/facts.ts';
import { type LockMode, readSurvivorLocks, takeLocks } from '../locks/lock-closure.ts';
import { type Patience, withLockTries } from '../locks/lock-retries.ts';
import type { Options } from '../options/options.ts';
import { checkDeferred } from '../session/deferred-constraints.ts';
import type { Session } from '../session/session.ts';
import { say } from '../text/log.ts';
import { countOf } from '../text/units.ts';
import { compareArchived } from './across-majors.ts';
import { checkNames } from './check-names.ts';
import { checkTypes } from './check-types.ts';
import { findUnresolved, haveResolved } from './earlier-entries.ts';
import { describeReplaced, type Replaced, readReplaced } from './replaced-tables.ts';
import { readRestored, replay } from './replay.ts';
import { readTied } from './tied-rows.ts';

/** How a restore waits for locks, and which differences it accepts. */
export type RestoreOptions = Patience & Pick<Options, 'acceptDifferences'>;

/**
 * Restores all of an open entry, compares the result with the archived facts, and marks the entry as restored.
 *
 * @throws UndropError as `replayEntry`; `lock-timeout`
 */
export async function restoreEntry(
  session: Session,
  entry: Entry,
  options: RestoreOptions,
  command: 'down' | 'restore',
): Promise<void> {
  if (entry.tables.length === 0) {
    await changeArchive(session, () => markRestored(session, entry));
    say(`${entry.migration}: nothing was dropped, nothing to restore (entry ${entry.id})`);
    return;
  }
  await checkKeepers(session);
  // The restore locks referenced tables. They are locked first, with a timeout, so that other sessions do not queue
  // behind it.
  const survivors = await readSurvivors(session, entry);
  const locks = await readSurvivorLocks(session, survivors, await neededMode(session, entry));
  await checkDeferred(session, `${entry.migration} restores tables`, async () =>
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
    `${entry.migration}: ${countOf(entry.tables.length, 'table')} ${rows.length === 0 ? '' : `with ${describeKept(rows)} `}` +
      `${entry.moved.length > 0 ? 'moved back' : 'restored'}, ${describeOutcome(entry, accepted)}`,
  );
}

/** How the restored objects compare with the dropped ones, for the log. */
export function describeOutcome({ droppedAt }: Entry, accepted: Accepted | null): string {
  if (accepted === null) return `identical to what was dropped on ${droppedAt}`;
  const { digest, differences } = accepted;
  return `with ${countOf(differences.length, 'accepted difference')} from what was dropped on ${droppedAt} (${digest})`;
}

/** Marks an entry as restored. Where differences were accepted, the archive keeps them and the rows. */
export async function markRestoredAs(
  session: Session,
  entry: Entry,
  command: 'down' | 'restore',
  accepted: Accepted | null,
): Promise<void> {
  // Which may create a table that references one that is unlogged below.
  if (accepted !== null) await ensureArchive(session);
  await changeArchive(session, async () => {
    await markRestored(session, entry, accepted === null ? 'remove rows' : 'keep rows');
    if (accepted !== null) await writeAcceptance(session, entry.id, command, accepted);
  });
}

// Restoring foreign keys and triggers of survivors needs SHARE ROW EXCLUSIVE only, so that other sessions can go on
// reading.
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
 * Replays an entry and compares the result with the archived facts. Does not mark the entry.
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
  await checkTypes(session, entry, survivors);
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
      message: 'The restored objects differ from the dropped ones.',
      next: 'Nothing was changed. Undo what was changed around the tables since the drop, then run it again.',
      rows: 'accept',
    }),
  };
}

/** The restored rows, and the accepted differences. */
export interface Replayed {
  readonly rows: readonly KeptRows[];
  readonly accepted: Accepted | null;
}

/**
 * The capture of an entry, checked for replay, and its replaced prerequisites. Changes nothing.
 *
 * @throws UndropError `archive-damaged`, `name-taken`, `prerequisite-gone`, `restore-failed` where it cannot be
 * replayed
 */
export async function readReplay(
  session: Session,
  entry: Entry,
): Promise<{ statements: Statement[]; facts: Fact[]; rows: KeptRows[]; replaced: Replaced[] }> {
  refuseGivenUp(entry);
  const capture = await loadCapture(session, entry);
  await checkStores(session, capture.rows);
  await checkMoved(session, entry);
  await checkNames(session, capture.facts);
  await checkPrerequisites(session, entry.prerequisites);
  const statements = await withMoves(session, capture.statements, entry.moved);
  await checkPaths(session, statements, entry.prerequisites);
  const replaced = await readReplaced(session, entry);
  if (replaced.length > 0) say(`${entry.migration}: ${describeReplaced(replaced)}`);
  return { ...capture, statements, replaced };
}

const survivorsSql = /* sql */ `
  select pg_catalog.to_regclass(h.identity)::oid::bigint as oid, h.kind, h.identity
  from pg_catalog.jsonb_to_recordset($1::jsonb) as h (kind text, identity text)
  where pg_catalog.to_regclass(h.identity) is not null
  order by h.identity`;

/** The survivors of the entry that still exist. */
export function readSurvivors(session: Session, entry: Entry): Promise<Survivor[]> {
  return session.read<Survivor>(survivorsSql, [JSON.stringify(entry.survivors)]);
}

interface Survivors {
  readonly survivors: readonly Survivor[];
  readonly facts: readonly Fact[];
}

/**
 * Compares the restored closure with the archived one. Survivors may have changed since the drop: in them, the changes
 * by the restore must be the reverse of the changes by the drop.
 *
 * @returns the differences
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
  const changes = compareFacts(before.facts, await readSurvivorFacts(session, before.survivors));
  const own = compareArchived(entry.serverVersion, archived.facts, session.server, facts.own);
  if (own.printed.length > 0) say(describePrinted(entry, own.printed));
  return [
    ...own.differences,
    ...(haveResolved(archived.facts) ? [] : await findUnresolved(session, closure, facts.own)),
    ...compareChanges(entry.survivorChanges, changes),
    ...(await compareRows(session, archived.rows)),
  ];
}

function describePrinted({ migration, serverVersion }: Entry, printed: readonly Difference[]): string {
  const objects = [...new Set(printed.map(({ object }) => object))].join(', ');
  return `${migration}: dropped on PostgreSQL ${serverVersion}, which prints these expressions differently: ${objects}`;
}

/**
 * The changes by the restore that do not reverse one by the drop, and the changes by the drop that were not reversed.
 */
function compareChanges(dropped: readonly Difference[], restored: readonly Difference[]): Difference[] {
  const undone = restored.map((difference) => ({
    ...difference,
    before: difference.after,
    after: difference.before,
  }));
  const key = ({ object, catalog, column, before, after }: Difference) =>
    JSON.stringify([object, catalog, column, before, after]);
  const droppedKeys = new Set(dropped.map(key));
  const undoneKeys = new Set(undone.map(key));
  return [
    ...restored.filter((_, index) => !droppedKeys.has(key(undone[index] as Difference))),
    ...dropped.filter((difference) => !undoneKeys.has(key(difference))),
  ];
}
