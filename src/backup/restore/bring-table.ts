import { writeAcceptance } from '../../archive/acceptances.ts';
import { changeArchive, lockIfPublished } from '../../archive/change-archive.ts';
import { readEntries } from '../../archive/entries.ts';
import { holdEntry, writeRestoredOids } from '../../archive/entry.ts';
import { compareRows, type KeptRows } from '../../archive/kept-rows.ts';
import { followRelation } from '../../archive/write-entry.ts';
import { type Accepted, acceptDifferences } from '../../capture/accept-differences.ts';
import { captureStatements, notReproducible, type Statement } from '../../capture/capture.ts';
import { checkPaths } from '../../capture/check-paths.ts';
import { compareFacts, type Difference, describeDifferences } from '../../capture/compare.ts';
import { checkPrerequisites } from '../../capture/prerequisites.ts';
import { type Closure, dependents } from '../../catalog/closure.ts';
import { type Fact, readFacts } from '../../catalog/facts/facts.ts';
import { sequenceState } from '../../catalog/facts/sequence-facts.ts';
import { readPresent } from '../../catalog/present.ts';
import { checkNames } from '../../down/check-names.ts';
import { readRestored, replay } from '../../down/replay.ts';
import { UndropError } from '../../errors.ts';
import { lockClosure, readSurvivorLocks, takeLocks } from '../../locks/lock-closure.ts';
import { withLockTries } from '../../locks/lock-retries.ts';
import { parseOptions } from '../../options/options.ts';
import { identifier, parseTableName, quoteName } from '../../options/table-name.ts';
import { splitEntry } from '../../restore/restore-one-table.ts';
import type { Session } from '../../session/session.ts';
import { drop } from '../../up/drop.ts';
import { findTables } from '../../up/find-tables.ts';
import { type CapturedTable, placesOfRows, readTables } from './capture-source.ts';
import { digestAll, play } from './play.ts';

export interface RestoredTable {
  /** The qualified name, quoted where necessary. */
  readonly table: string;
  readonly rows: number;
  /** The migration whose drop included the table, and the open entry with the other tables of that drop. */
  readonly migration: string | null;
  readonly rest: number | null;
  /** Objects of the backup that are not restored: dependent objects, and foreign keys to tables that do not exist. */
  readonly left: readonly { kind: string; identity: string }[];
}

/**
 * Replays a table that was captured from an unpacked backup, copies its rows and compares the result with the backup.
 *
 * @param from a session on the unpacked backup
 * @param accept the digest of differences to accept; default: none
 */
export async function bringTable(
  session: Session,
  captured: CapturedTable,
  from: Session,
  accept?: string,
): Promise<RestoredTable> {
  await lockIfPublished(session);
  const { tables, left } = captured;
  const kept = await digestAll(from, tables);
  const open = await findOpen(session, captured.table);
  if (open === undefined) await restoreNew(session, captured, kept, from, accept);
  const rest =
    open === undefined
      ? null
      : await changeArchive(session, () => restoreDropped(session, captured, kept, from, open, accept));
  const rows = kept.reduce((sum, { count }) => sum + Number(count), 0);
  return { table: captured.table, rows, migration: open?.migration ?? null, rest, left };
}

/**
 * Checks that a table of the backup does not exist.
 *
 * @throws UndropError `name-taken`
 */
export async function refuseTaken(
  session: Session,
  { schema, name }: { schema: string; name: string },
): Promise<void> {
  const present = await readPresent(session, [`${quoteName(schema)}.${quoteName(name)}`]);
  if (present.length > 0) throw nameTaken(`${identifier(schema)}.${identifier(name)}`);
}

/**
 * Checks what `bringTable` needs: free names, and where no drop has removed the table, also what it depends on.
 *
 * @throws UndropError `name-taken`, `prerequisite-gone`
 */
export async function checkReady(session: Session, captured: CapturedTable): Promise<void> {
  await checkNames(session, captured.facts);
  if ((await findOpen(session, captured.table)) === undefined)
    await checkPrerequisites(session, captured.prerequisites);
}

const survivorsSql = /* sql */ `
  select c.oid::bigint as oid
  from pg_catalog.jsonb_to_recordset($1::jsonb) as p (type text, names text[])
  join pg_catalog.pg_namespace as n on n.nspname = p.names[1]
  join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = p.names[2]
  where p.type in ('table', 'table column', 'table constraint')
  group by c.oid
  order by c.oid`;

async function restoreNew(
  session: Session,
  captured: CapturedTable,
  kept: readonly KeptRows[],
  from: Session,
  accept: string | undefined,
): Promise<void> {
  await checkReady(session, captured);
  await checkPaths(session, captured.statements, captured.prerequisites);
  const survivors = await session.read<{ oid: number }>(survivorsSql, [
    JSON.stringify(captured.prerequisites),
  ]);
  const locks = await readSurvivorLocks(session, survivors, 'share row exclusive');
  await withLockTries(
    session,
    lockOptions(captured.table),
    () => locks,
    async ({ ms }) => {
      await takeLocks(session, locks, ms);
      await play(session, captured.statements, captured.tables, from);
    },
  );
  await compare(session, captured.table, captured.facts, kept, accept);
}

/**
 * Restores the table and its dependent objects from the archive first, which splits the entry. Then drops the table again
 * and replays it with the rows of the backup. Requires that the table did not change between the backup and the drop.
 *
 * @returns the ID of the open entry with the other tables of the drop, or null if there are none
 */
async function restoreDropped(
  session: Session,
  captured: CapturedTable,
  kept: readonly KeptRows[],
  from: Session,
  { id, migration }: { id: number; migration: string },
  accept: string | undefined,
): Promise<number | null> {
  const entry = await holdEntry(session, id);
  if (entry === undefined) throw new Error(`no entry ${id} of ${migration}`);
  const rest = await splitEntry(session, entry, captured.table, accept);
  const was = await readOid(session, captured.table);
  const { tables } = await findTables(session, [{ ...parseTableName(captured.table), reason: undefined }]);
  await lockClosure(session, tables, lockOptions(captured.table), async ({ closure, lockSurvivors }) => {
    await lockSurvivors();
    const { statements, facts } = await captureUnchanged(session, captured, closure, migration);
    await drop(session, tables, closure);
    await play(session, statements, captured.tables, from);
    const states = captured.statements.filter(({ sql }) => sql.startsWith('select pg_catalog.setval('));
    await replay(session, states, 'restore-failed');
    const wanted = [...facts.filter(isNoState), ...captured.facts.filter((fact) => !isNoState(fact))];
    const accepted = await compare(session, captured.table, wanted, kept, accept);
    if (accepted !== null) await writeAcceptance(session, entry.id, 'restore', accepted);
    await writeRestoredOids(session, entry.id);
  });
  if (rest !== null) await followRelation(session, rest.entry, was, await readOid(session, captured.table));
  return rest?.entry ?? null;
}

async function readOid(session: Session, table: string): Promise<number> {
  const sql = 'select pg_catalog.to_regclass($1)::oid::bigint as oid';
  const [row] = await session.read<{ oid: number }>(sql, [table]);
  return row?.oid ?? 0;
}

/** Captures the table and its dependent objects, without rows. Throws if it differs from the captured table. */
async function captureUnchanged(
  session: Session,
  captured: CapturedTable,
  closure: Closure,
  migration: string,
): Promise<{ statements: Statement[]; facts: readonly Fact[] }> {
  refuseChildren(closure, captured.table);
  const own = { ...closure, members: closure.members.filter((member) => member.own) };
  const changed = compareFacts(
    captured.facts.filter(isNoState),
    (await readFacts(session, own)).own.filter(isNoState),
  );
  if (changed.length > 0) throw hasChanged(captured.table, migration, changed);
  const places = placesOfRows(closure, await readTables(session, closure));
  const { statements, obstacles } = await captureStatements(session, closure, { rows: places });
  if (obstacles.length > 0) throw notReproducible(obstacles);
  return { statements, facts: (await readFacts(session, closure)).own };
}

function isNoState({ catalog }: Fact): boolean {
  return catalog !== sequenceState;
}

async function compare(
  session: Session,
  table: string,
  facts: readonly Fact[],
  kept: readonly KeptRows[],
  accept: string | undefined,
): Promise<Accepted | null> {
  const restored = await readRestored(session, [table]);
  const differences = [...compareFacts(facts, restored.facts.own), ...(await compareRows(session, kept))];
  return acceptDifferences(differences, accept === undefined ? [] : [accept], {
    code: 'restore-differs',
    message: `The restored ${table} differs from the backup.`,
    next: 'Nothing was changed. Restore the backup into a new database with --into, and compare there.',
    rows: 'accept',
  });
}

/** Returns the newest open entry with the table, since several migrations may have dropped a table of that name. */
async function findOpen(
  session: Session,
  table: string,
): Promise<{ id: number; migration: string } | undefined> {
  const open = (await readEntries(session)).filter(({ restoredAt }) => restoredAt === null);
  return open.findLast(({ tables }) => tables.some(({ sql }) => sql === table));
}

function lockOptions(table: string) {
  return parseOptions({ name: `restore of ${table}`, tables: [table] }, {});
}

function refuseChildren(closure: Closure, table: string): void {
  const children = dependents(closure).filter(({ kind }) => kind === 'table');
  if (children.length === 0) return;
  throw new UndropError('not-reproducible', {
    subject: table,
    message: `${table} cannot be restored from the backup.`,
    reason: `It has children: ${children.map(({ identity }) => identity).join(', ')}.`,
    next: 'Restore it from the archive, or restore the whole backup into a new database with --into.',
  });
}

function nameTaken(table: string): UndropError {
  return new UndropError('name-taken', {
    subject: table,
    message: `${table} already exists.`,
    reason: 'A restore does not overwrite objects.',
    next: 'Rename or drop the table first, or restore the backup into a new database with --into.',
  });
}

function hasChanged(table: string, migration: string, changed: readonly Difference[]): UndropError {
  return new UndropError('restore-differs', {
    subject: table,
    message: `${table} was changed after the backup and before ${migration} dropped it.`,
    reason: describeDifferences(changed),
    next: 'Nothing was changed. Restore the table from the archive, or restore the backup into a new database with --into.',
  });
}
