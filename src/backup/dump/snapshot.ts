import { placeSql } from '../../archive/schema.ts';
import { readStanding } from '../../baseline/records.ts';
import { type Digests, readFactDigests } from '../../catalog/facts/fact-digests.ts';
import { readSurroundings } from '../../catalog/facts/surroundings.ts';
import { countUnplanned, findForeignCode } from '../../catalog/foreign-code.ts';
import { sqlState, UndropError } from '../../errors.ts';
import { readBlockers } from '../../locks/blockers.ts';
import { identifier } from '../../options/table-name.ts';
import type { Session } from '../../session/session.ts';
import { duration } from '../../text/units.ts';
import { type LaterObject, readLaterObjects } from '../later-objects.ts';
import type { Manifest } from '../manifest.ts';
import { type Prerequisites, readPrerequisites } from '../prerequisites.ts';
import { type NamedRelation, relationsSql } from '../relations.ts';
import { readRoots } from './partition-roots.ts';

export interface SnapshotTable extends NamedRelation {
  readonly oid: number;
  /** False for partitioned tables. */
  readonly hasRows: boolean;
  /** Size on disk, including TOAST. */
  readonly bytes: number;
  /** The root of the partition tree, if pg_dump writes the rows through it. */
  readonly root: { readonly schema: string; readonly name: string } | undefined;
}

/** The contents that a backup must have, read in the snapshot of the backup. */
export interface Contents {
  readonly database: Manifest['database'];
  readonly takenBy: string;
  readonly tables: readonly SnapshotTable[];
  readonly objects: readonly LaterObject[];
  readonly prerequisites: Prerequisites;
  /** The IDs of the entries that are open in the snapshot. */
  readonly standing: readonly number[];
  /** Digests of the database itself and of roles. */
  readonly surroundings: Digests;
}

const readableSql = /* sql */ `
  select r.*,
    case when not pg_catalog.has_schema_privilege(r.namespace::oid, 'usage')
      then pg_catalog.format('grant usage on schema %I to %I', r.schema, current_user) end as "usageGrant",
    case when r.kind = 'S' and not pg_catalog.has_sequence_privilege(r.oid::oid, 'select')
        or r.kind <> 'S' and not pg_catalog.has_table_privilege(r.oid::oid, 'select')
      then pg_catalog.format('grant select on %s%I.%I to %I',
        case r.kind when 'S' then 'sequence ' else '' end, r.schema, r.name, current_user) end as "selectGrant",
    r.kind <> 'S' and pg_catalog.row_security_active(r.oid::oid) as filtered
  from (${relationsSql}) as r
  order by r.schema, r.name`;

// Read after the tables are locked, because pg_table_size waits for exclusive locks of other sessions.
const sizesSql = /* sql */ `
  select pg_catalog.pg_table_size(o.oid) as bytes
  from pg_catalog.unnest($1::oid[]) with ordinality as o (oid, position)
  order by o.position`;

const databaseSql = /* sql */ `
  select p.database as name, p.identity, p.database_oid::text as oid, p.system_identifier as "systemIdentifier",
    pg_catalog.pg_get_userbyid(d.datdba) as owner, pg_catalog.pg_encoding_to_char(d.encoding) as encoding,
    d.datcollate as collate, d.datctype as ctype,
    -- added in PostgreSQL 15, renamed in 17
    coalesce(pg_catalog.to_jsonb(d) ->> 'datlocprovider', 'c') as provider,
    coalesce(pg_catalog.to_jsonb(d) ->> 'datlocale', pg_catalog.to_jsonb(d) ->> 'daticulocale') as locale
  from (${placeSql}) as p
  join pg_catalog.pg_database as d on d.oid = p.database_oid`;

// The count has no timeout, and uses no parallel workers, which would slow pg_dump down.
const settingsSql = /* sql */ `
  select pg_catalog.set_config(s.name, '0', true)
  from pg_catalog.pg_settings as s
  where s.name in ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout',
    'max_parallel_workers_per_gather')`;

interface Relation extends NamedRelation {
  oid: number;
  kind: 'r' | 'p' | 'S';
  usageGrant: string | null;
  selectGrant: string | null;
  filtered: boolean;
}

/**
 * Reads the contents that a backup must have, and locks the tables against changes of their structure until the end of
 * the transaction.
 *
 * @throws UndropError `insufficient-privilege`, `lock-timeout`, each with all tables concerned
 */
export async function readContents(session: Session, lockTimeoutMs: number): Promise<Contents> {
  await session.read(settingsSql);
  const relations = await session.read<Relation>(readableSql);
  refuseUnreadable(session, relations);
  refuseFiltered(session, relations);
  const tables = relations.filter(({ kind }) => kind !== 'S');
  await lockTables(session, tables, lockTimeoutMs);
  const sizes = await session.read<{ bytes: number }>(sizesSql, [tables.map(({ oid }) => oid)]);
  const roots = await readRoots(session);
  const [database] = await session.read<Manifest['database']>(databaseSql);
  if (database === undefined) throw new Error('undrop.identity holds no row.');
  return {
    database,
    takenBy: session.role,
    tables: tables.map(({ schema, name, sql, oid, kind }, index) => {
      const bytes = sizes[index]?.bytes ?? 0;
      return { schema, name, sql, oid, hasRows: kind === 'r', bytes, root: roots.get(oid) };
    }),
    objects: await readLaterObjects(session),
    prerequisites: await readPrerequisites(session),
    standing: await readStanding(session),
    surroundings: (await readSurroundings(session)).used,
  };
}

/** Exports the snapshot of the transaction for pg_dump. Returns its ID, which is valid until the transaction ends. */
export async function exportSnapshot(session: Session): Promise<string> {
  const [snapshot] = await session.read<{ id: string }>('select pg_catalog.pg_export_snapshot() as id');
  return snapshot?.id ?? '';
}

/** Data that takes long to read from a snapshot, and is read while pg_dump runs. */
export interface Tally {
  /** The number of rows of each table, in the order of the contents. */
  readonly rows: readonly number[];
  readonly facts: Manifest['facts'];
}

/** Reads the tally. The signal is checked between two tables. */
export async function takeTally(
  session: Session,
  tables: readonly SnapshotTable[],
  signal?: AbortSignal,
): Promise<Tally> {
  return { facts: await readFactDigests(session), rows: await countRows(session, tables, signal) };
}

/**
 * Returns the number of rows of each table, without those of its children; 0 for a partitioned table. The signal is
 * checked between two tables.
 */
export async function countRows(
  session: Session,
  tables: readonly Pick<SnapshotTable, 'sql' | 'hasRows'>[],
  signal?: AbortSignal,
): Promise<number[]> {
  const foreign = await findForeignCode(
    session,
    tables.map(({ sql }) => sql),
  );
  const counts: number[] = [];
  for (const { sql, hasRows } of tables) {
    signal?.throwIfAborted();
    if (!hasRows) counts.push(0);
    else counts.push(await (foreign.has(sql) ? countUnplanned : countPlanned)(session, sql));
  }
  return counts;
}

async function countPlanned(session: Session, table: string): Promise<number> {
  const [row] = await session.read<{ count: number }>(
    `select pg_catalog.count(*) as count from only ${table}`,
  );
  return row?.count ?? 0;
}

/** Returns the error for a lock that could not be acquired, with the tables and the sessions that hold locks. */
export async function lockTimeout(
  session: Session,
  tables: readonly { oid: number }[],
  lockTimeoutMs: number,
): Promise<UndropError> {
  const oids = tables.map(({ oid }) => oid);
  const { relations, lines, next } = await readBlockers(session, oids, { onlyExclusive: true });
  return new UndropError('lock-timeout', {
    subject: relations.join(', ') || session.database,
    message:
      relations.length > 0
        ? `Could not lock ${relations.join(', ')} of ${session.database} within ${duration(lockTimeoutMs / 1000)}.`
        : `Could not lock a table of ${session.database} within ${duration(lockTimeoutMs / 1000)}.`,
    reason: lines.join('\n') || 'The session that held the lock has released it since.',
    next: `Take the backup when that session has ended, or wait longer with --lock-wait-timeout 10min.${next}`,
  });
}

async function lockTables(
  session: Session,
  tables: readonly Relation[],
  lockTimeoutMs: number,
): Promise<void> {
  await session.run(`set local lock_timeout = ${lockTimeoutMs}`);
  if (tables.length === 0) return;
  const names = tables.map(({ sql }) => `only ${sql}`).join(', ');
  try {
    await session.attemptRun(`lock table ${names} in access share mode`);
  } catch (error) {
    throw sqlState(error) === '55P03' ? await lockTimeout(session, tables, lockTimeoutMs) : error;
  }
}

function refuseUnreadable(session: Session, relations: readonly Relation[]): void {
  const closed = relations.filter(({ usageGrant, selectGrant }) => usageGrant ?? selectGrant);
  if (closed.length === 0) return;
  const grants = new Set(
    closed.flatMap((relation) => [relation.usageGrant, relation.selectGrant]).filter((sql) => sql !== null),
  );
  const all = `grant pg_read_all_data to ${identifier(session.role)}`;
  throw new UndropError('insufficient-privilege', {
    subject: closed.map(({ sql }) => sql).join(', '),
    message: `The role ${session.role} cannot read all tables and sequences of ${session.database}.`,
    reason: closed.map(({ sql }) => `It has no privilege to read ${sql}.`).join('\n'),
    next: `Run as an administrator: ${all}\nOr grant only what is missing: ${[...grants].join('; ')}`,
  });
}

function refuseFiltered(session: Session, relations: readonly Relation[]): void {
  const filtered = relations.filter((relation) => relation.filtered).map(({ sql }) => sql);
  if (filtered.length === 0) return;
  throw new UndropError('insufficient-privilege', {
    subject: filtered.join(', '),
    message: `Row-level security hides rows of ${filtered.join(', ')} from the role ${session.role}.`,
    reason: 'The backup would lack these rows. pg_dump rejects such tables too.',
    next: `Take the backup as a superuser, or run as a superuser: alter role ${identifier(session.role)} bypassrls`,
  });
}
