import { writeAcceptance } from '../../archive/acceptances.ts';
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
import { type Fact, readFacts, sequenceState } from '../../catalog/facts/facts.ts';
import { readRestored, replay } from '../../down/replay.ts';
import { UndropError } from '../../errors.ts';
import { lockClosure, readSurvivorLocks, takeLocks } from '../../locks/lock-closure.ts';
import { withLockTries } from '../../locks/lock-retries.ts';
import { parseOptions } from '../../options/options.ts';
import { parseTableName } from '../../options/table-name.ts';
import { splitEntry } from '../../restore/restore-one-table.ts';
import type { Session } from '../../session/session.ts';
import { drop } from '../../up/drop.ts';
import { findTables } from '../../up/find-tables.ts';
import { type CapturedTable, placesOfRows, readTables } from './capture-source.ts';
import { digestAll, play } from './play.ts';

export interface RestoredTable {
  /** Qualified and quoted. */
  readonly table: string;
  readonly rows: number;
  /** The drop that had taken it, and the entry in which the rest of that waits. */
  readonly migration: string | null;
  readonly rest: number | null;
  /** What of the backup does not come with it: views on it, keys to tables that are not there. */
  readonly left: readonly { kind: string; identity: string }[];
}

/**
 * Replays a table that was captured elsewhere, with its rows, and compares it with that.
 *
 * @param from where the rows are
 * @param accept the digest of differences that are accepted; default: none
 */
export async function bringTable(
  session: Session,
  captured: CapturedTable,
  from: Session,
  accept?: string,
): Promise<RestoredTable> {
  const { tables, left } = captured;
  const [found] = await session.read<{ sql: string }>('select pg_catalog.to_regclass($1)::text as sql', [
    captured.table,
  ]);
  const kept = await digestAll(from, tables);
  const open = await findOpen(session, captured.table);
  if (open === undefined) {
    if (found?.sql != null) throw taken(captured.table);
    await bringNew(session, captured, kept, from, accept);
  }
  const rest = open === undefined ? null : await bringInstead(session, captured, kept, from, open, accept);
  const rows = kept.reduce((sum, { count }) => sum + Number(count), 0);
  return { table: captured.table, rows, migration: open?.migration ?? null, rest, left };
}

const survivorsSql = /* sql */ `
  select c.oid::bigint as oid
  from pg_catalog.jsonb_to_recordset($1::jsonb) as p (type text, names text[])
  join pg_catalog.pg_namespace as n on n.nspname = p.names[1]
  join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = p.names[2]
  where p.type in ('table', 'table column', 'table constraint')
  group by c.oid
  order by c.oid`;

async function bringNew(
  session: Session,
  captured: CapturedTable,
  kept: readonly KeptRows[],
  from: Session,
  accept: string | undefined,
): Promise<void> {
  await checkPrerequisites(session, captured.prerequisites);
  await checkPaths(session, captured.statements, captured.prerequisites);
  const survivors = await session.read<{ oid: number }>(survivorsSql, [
    JSON.stringify(captured.prerequisites),
  ]);
  const locks = await readSurvivorLocks(session, survivors, 'share row exclusive');
  await withLockTries(
    session,
    patience(captured.table),
    () => locks,
    async ({ ms }) => {
      await takeLocks(session, locks, ms);
      await play(session, captured.statements, captured.tables, from);
    },
  );
  await compare(session, captured.table, captured.facts, kept, accept);
}

/**
 * The archive brings the table first, with what others had on it, and so frees its entry of it; then it is dropped
 * again and replayed with the rows of the backup. That is possible where it had not changed between the two.
 *
 * @returns the number of the entry in which the rest waits
 */
async function bringInstead(
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
  await lockClosure(session, tables, patience(captured.table), async ({ closure, lockSurvivors }) => {
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

/** The table as it stands, and what others have on it; the rows are due from elsewhere. */
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
  const { statements, obstacles } = await captureStatements(session, closure, places);
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
    message: `${table} did not come back as it is in the backup.`,
    next: 'Nothing was changed. Restore the backup into a new database with --into, and look at it there.',
    rows: 'accept',
  });
}

/** Of the newest of those that several migrations have dropped, since that was the table last. */
async function findOpen(
  session: Session,
  table: string,
): Promise<{ id: number; migration: string } | undefined> {
  const open = (await readEntries(session)).filter(({ restoredAt }) => restoredAt === null);
  return open.findLast(({ tables }) => tables.some(({ sql }) => sql === table));
}

function patience(table: string) {
  return parseOptions({ name: `restore of ${table}`, tables: [table] }, {});
}

function refuseChildren(closure: Closure, table: string): void {
  const children = dependents(closure).filter(({ kind }) => kind === 'table');
  if (children.length === 0) return;
  throw new UndropError('not-reproducible', {
    subject: table,
    message: `${table} cannot be brought back from the backup alone.`,
    reason: `It has children: ${children.map(({ identity }) => identity).join(', ')}.`,
    next: 'Restore it from the archive, or the whole backup into a new database with --into.',
  });
}

function taken(table: string): UndropError {
  return new UndropError('name-taken', {
    subject: table,
    message: `${table} is there already.`,
    reason: 'A restore overwrites nothing.',
    next: 'Rename it or drop it first, or restore the backup into a new database with --into, and compare.',
  });
}

function hasChanged(table: string, migration: string, changed: readonly Difference[]): UndropError {
  return new UndropError('restore-differs', {
    subject: table,
    message: `${table} had changed between the backup and its drop by ${migration}.`,
    reason: describeDifferences(changed),
    next: 'Nothing was changed. Restore it from the archive, as it was dropped; or the backup into a new database with --into.',
  });
}
