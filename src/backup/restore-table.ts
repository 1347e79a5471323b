import type { Knex } from 'knex';
import { findEntry } from '../archive.ts';
import { hasArchive, placeSql } from '../archive-schema.ts';
import { captureStatements, notReproducible, type Statement } from '../capture.ts';
import { type Closure, outsiders } from '../catalog/closure.ts';
import { type Fact, readFacts, sequenceState } from '../catalog/facts.ts';
import { compareFacts, type Difference, describeDifferences } from '../compare.ts';
import { drop } from '../drop.ts';
import { readEntries } from '../entries.ts';
import { UndropError } from '../errors.ts';
import { findTables } from '../gate.ts';
import type { Target } from '../knex/target.ts';
import { lockClosure, readHostLocks, takeLocks, withLockTries } from '../lock.ts';
import { parseTableName } from '../name.ts';
import { parseOptions } from '../options.ts';
import { checkPrerequisites } from '../prerequisites.ts';
import { inReadOnlySession } from '../read-only.ts';
import { readRestored, replay } from '../restore.ts';
import { compareRows, type KeptRows } from '../rows.ts';
import { say } from '../say.ts';
import { inSession, type Session } from '../session.ts';
import { splitEntry } from '../split-entry.ts';
import { readPresent } from '../verify.ts';
import { type CapturedTable, captureSource, placesOfRows, readTables } from './capture-source.ts';
import type { Manifest } from './manifest.ts';
import { openBackup } from './open-backup.ts';
import { copySql, digestAll, play } from './play.ts';
import { refuseEmbedded } from './restore-database.ts';
import { withKnex } from './scratch.ts';
import { type Source, withSource } from './source.ts';

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
 * Brings back one table from a backup, with its rows and all that belongs to it, into the live database. The backup is
 * unpacked beside it, the table captured there, replayed here and compared, in one transaction. Where an open drop holds
 * the table, the rest of that stays dropped and comes back with the rollback.
 *
 * @param written the table, as a migration would write it
 * @throws UndropError `bad-options`, `backup-unproved`, `missing-table`, `name-taken`, `not-reproducible`,
 * `prerequisite-gone`, `restore-failed`, `restore-differs`, `lock-timeout`
 */
export async function restoreTable(
  knex: Knex,
  target: Target,
  path: string,
  written: string,
  signal?: AbortSignal,
): Promise<RestoredTable> {
  return withCaptured(knex, target, path, written, signal, async (captured, source) => {
    const rows = await source.withRows(captured.tables, (unpacked) =>
      withKnex(unpacked, (pool) =>
        inSession(pool, (from) => inSession(knex, (session) => bring(session, captured, from)), {
          onlyReads: true,
        }),
      ),
    );
    return rows;
  });
}

/**
 * The statements that `restoreTable` would run. Changes nothing in the live database.
 *
 * @throws UndropError as `restoreTable`
 */
export async function planTable(
  knex: Knex,
  target: Target,
  path: string,
  written: string,
  signal?: AbortSignal,
): Promise<string[]> {
  return withCaptured(knex, target, path, written, signal, async ({ statements, tables }) =>
    statements.map(({ kind, identity, sql }) =>
      kind === 'rows' ? `${copySql(tables, identity)} from stdin` : sql,
    ),
  );
}

async function withCaptured<T>(
  knex: Knex,
  target: Target,
  path: string,
  written: string,
  signal: AbortSignal | undefined,
  work: (captured: CapturedTable, source: Source) => Promise<T>,
): Promise<T> {
  refuseEmbedded(target);
  const backup = await openBackup(path);
  await inReadOnlySession(knex, (session) => checkOrigin(session, backup.manifest));
  const wanted = choose(backup.manifest, written);
  return withSource(target, backup, signal, async (source) => {
    const isThere = (tables: readonly string[]) =>
      inReadOnlySession(knex, async (session) => new Set(await readPresent(session, tables)));
    const captured = await withKnex(source.schema, (pool) =>
      inSession(pool, (session) => captureSource(session, wanted, isThere), { onlyReads: true }),
    );
    return work(captured, source);
  });
}

async function bring(session: Session, captured: CapturedTable, from: Session): Promise<RestoredTable> {
  const { tables, left } = captured;
  const [found] = await session.read<{ sql: string }>('select pg_catalog.to_regclass($1)::text as sql', [
    captured.table,
  ]);
  const kept = await digestAll(from, tables);
  const open = await findOpen(session, captured.table);
  if (open === undefined) {
    if (found?.sql != null) throw taken(captured.table);
    await bringNew(session, captured, kept, from);
  }
  const rest = open === undefined ? null : await bringInstead(session, captured, kept, from, open);
  const rows = kept.reduce((sum, { count }) => sum + Number(count), 0);
  return { table: captured.table, rows, migration: open?.migration ?? null, rest, left };
}

const hostsSql = /* sql */ `
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
): Promise<void> {
  await checkPrerequisites(session, captured.prerequisites);
  const hosts = await session.read<{ oid: number }>(hostsSql, [JSON.stringify(captured.prerequisites)]);
  const locks = await readHostLocks(session, hosts, 'share row exclusive');
  await withLockTries(
    session,
    patience(captured.table),
    () => locks,
    async ({ ms }) => {
      await takeLocks(session, locks, ms);
      await play(session, captured.statements, captured.tables, from);
    },
  );
  await compare(session, captured.table, captured.facts, kept);
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
  { migration }: { migration: string },
): Promise<number | null> {
  const entry = await findEntry(session, migration);
  if (entry === undefined) throw new Error(`no entry of ${migration}`);
  const rest = await splitEntry(session, entry, captured.table);
  const { tables } = await findTables(session, [{ ...parseTableName(captured.table), reason: undefined }]);
  await lockClosure(session, tables, patience(captured.table), async (closure) => {
    const { statements, facts } = await captureUnchanged(session, captured, closure, migration);
    await drop(session, tables, closure);
    await play(session, statements, captured.tables, from);
    const states = captured.statements.filter(({ sql }) => sql.startsWith('select pg_catalog.setval('));
    await replay(session, states, 'restore-failed');
    const wanted = [...facts.filter(isNoState), ...captured.facts.filter((fact) => !isNoState(fact))];
    await compare(session, captured.table, wanted, kept);
  });
  return rest?.entry ?? null;
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
): Promise<void> {
  const restored = await readRestored(session, [table]);
  const differences = [...compareFacts(facts, restored.facts.own), ...(await compareRows(session, kept))];
  if (differences.length > 0) throw differs(table, differences);
}

/** Of the newest of those that several migrations have dropped, since that was the table last. */
async function findOpen(session: Session, table: string): Promise<{ migration: string } | undefined> {
  const open = (await readEntries(session)).filter(({ restoredAt }) => restoredAt === null);
  return open.findLast(({ tables }) => tables.some(({ sql }) => sql === table));
}

function patience(table: string) {
  return parseOptions({ name: `restore of ${table}`, tables: [table] }, {});
}

/** A copy of a database carries its identity: its backups are of the same tables. */
async function checkOrigin(session: Session, { database, file }: Manifest): Promise<void> {
  if (!(await hasArchive(session))) return;
  const [place] = await session.read<{ identity: string; database_oid: string; system_identifier: string }>(
    `select p.identity, p.database_oid::text as database_oid, p.system_identifier from (${placeSql}) as p`,
  );
  if (place?.identity !== database.identity) {
    throw new UndropError('backup-unproved', {
      subject: file,
      message: `The backup ${file} is not of ${session.database}.`,
      reason: `It is of ${database.name}, a database with another identity.`,
      next: 'Connect to that one, or restore the backup into a new database with --into.',
    });
  }
  const same = place.database_oid === database.oid && place.system_identifier === database.systemIdentifier;
  if (!same)
    say(`The backup is of ${database.name}, of which ${session.database} is a copy, or which was one of it.`);
}

function choose({ tables, file }: Manifest, written: string): { schema: string; name: string } {
  const { schema, name } = parseTableName(written);
  const found = tables.filter(
    (table) => table.name === name && (schema === undefined || table.schema === schema),
  );
  const [table, ...others] = found;
  if (table !== undefined && others.length === 0) return table;
  throw new UndropError(table === undefined ? 'missing-table' : 'bad-options', {
    subject: written,
    message:
      table === undefined
        ? `The backup ${file} has no table ${written}.`
        : `The backup ${file} has several tables ${written}.`,
    reason:
      table === undefined
        ? 'It was not there when the backup was taken, or its name is another.'
        : `In the schemas ${found.map((one) => one.schema).join(', ')}.`,
    next: 'Name it with its schema, as the manifest beside the backup lists it.',
  });
}

function refuseChildren(closure: Closure, table: string): void {
  const children = outsiders(closure).filter(({ kind }) => kind === 'table');
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

function differs(table: string, differences: readonly Difference[]): UndropError {
  return new UndropError('restore-differs', {
    subject: table,
    message: `${table} did not come back as it is in the backup.`,
    reason: describeDifferences(differences),
    next: 'Nothing was changed. Restore the backup into a new database with --into, and look at it there.',
  });
}
