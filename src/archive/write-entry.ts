import { setImmediate } from 'node:timers/promises';
import type { Capture, Statement } from '../capture/capture.ts';
import type { Difference } from '../capture/compare.ts';
import type { Prerequisite } from '../capture/prerequisites.ts';
import type { SchemaComment } from '../capture/schema-comment.ts';
import type { Survivor } from '../catalog/closure.ts';
import type { Fact } from '../catalog/facts/facts.ts';
import type { Options } from '../options/options.ts';
import type { Table } from '../options/table.ts';
import type { Session } from '../session/session.ts';
import type { KeptApproval } from './entry.ts';
import type { KeptRows } from './kept-rows.ts';
import type { MovedSchema } from './moved-schemas.ts';
import { placeSql } from './schema.ts';
import { digestOf, headSql } from './seal.ts';

/** A position in the write-ahead log, for point-in-time recovery. */
export interface WalPlace {
  /** Such as `0/16B3748`; null where it cannot be read. */
  readonly lsn: string | null;
  /** A value for `recovery_target_name`; null where no restore point could be created. */
  readonly restorePoint: string | null;
}

/** What `up` records in an entry beside the capture. */
interface Circumstances {
  readonly prerequisites: readonly Prerequisite[];
  readonly survivors: readonly Survivor[];
  /** The migrations table, qualified and quoted; null where it is unknown. */
  readonly ledger: string | null;
  /** The OIDs of the relations in the closure, by their names, qualified and quoted. */
  readonly oids: Readonly<Record<string, number>>;
  readonly approvals: readonly KeptApproval[];
  readonly backup: number | null;
  /** Where the tables are moved to; empty where they are dropped. */
  readonly moved: readonly MovedSchema[];
}

/** Reserves the number of a new entry. */
export async function newEntry(session: Session): Promise<number> {
  const [next] = await session.read<{ id: number }>(
    `select pg_catalog.nextval(pg_catalog.pg_get_serial_sequence('undrop.drops', 'id')) as id`,
  );
  return Number(next?.id);
}

/**
 * Writes a capture and its circumstances into a new entry.
 *
 * @returns the checksum of the capture, to be written by `amendEntry` or `takeOver`
 */
export async function writeEntry(
  session: Session,
  id: number,
  tables: readonly Table[],
  capture: Omit<Capture, 'rows'> & { readonly rows: readonly KeptRows[] },
  circumstances: Circumstances,
  options: Options,
): Promise<string> {
  const written = writeDrop(session, id, tables, capture.fingerprint, circumstances, options);
  const [digest] = await session.together([
    // Computed while the server writes the facts, which takes longest.
    written
      .then(() => setImmediate())
      .then(() => digestOf(capture.statements, capture.facts.own, capture.rows)),
    written,
    writeFacts(session, id, capture.facts.own),
    writeStatements(session, id, capture.statements),
    writeRows(session, id, capture.rows),
    writeEvidence(session, id, tables),
  ]);
  return digest;
}

async function writeDrop(
  session: Session,
  id: number,
  tables: readonly Table[],
  fingerprint: string,
  circumstances: Circumstances,
  options: Options,
): Promise<void> {
  await session.write(
    /* sql */ `
    insert into undrop.drops
      (id, migration, tables, server_version, fingerprint, digest, overrides, approvals, backup_id, prerequisites,
       hosts, ledger, oids, moved, keep_until, identity, database_oid, system_identifier, archive_oid)
    overriding system value
    select $1, $2, $3, $4, $5, '', $6, $7, $8, $9, $10, $11, $12, $13,
      pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => $14),
      p.identity, p.database_oid, p.system_identifier, p.archive_oid
    from (${placeSql}) as p`,
    [
      id,
      options.name,
      JSON.stringify(tables.map(({ written, sql, reason }) => ({ written, sql, reason: reason ?? null }))),
      session.server.version,
      fingerprint,
      JSON.stringify(options.overrides),
      JSON.stringify(circumstances.approvals),
      circumstances.backup,
      JSON.stringify(circumstances.prerequisites),
      JSON.stringify(circumstances.survivors.map(({ kind, identity }) => ({ kind, identity }))),
      circumstances.ledger,
      JSON.stringify(circumstances.oids),
      circumstances.moved.length === 0 ? null : JSON.stringify(circumstances.moved),
      options.keepForSeconds ?? null,
    ],
  );
}

async function writeStatements(
  session: Session,
  id: number,
  statements: readonly Statement[],
): Promise<void> {
  await session.write(
    /* sql */ `
    insert into undrop.statements (drop_id, position, kind, identity, sql, moved)
    select $1, s.position, s.value ->> 'kind', s.value ->> 'identity', s.value ->> 'sql', (s.value ->> 'moved')::boolean
    from pg_catalog.jsonb_array_elements($2::jsonb) with ordinality as s (value, position)`,
    [id, JSON.stringify(statements)],
  );
}

async function writeRows(session: Session, id: number, rows: readonly KeptRows[]): Promise<void> {
  if (rows.length === 0) return;
  await session.write(
    /* sql */ `
    insert into undrop.rows (drop_id, position, table_name, store, count, digest)
    select $1, r.position, r.value ->> 'table', r.value ->> 'store', (r.value ->> 'count')::bigint, r.value ->> 'digest'
    from pg_catalog.jsonb_array_elements($2::jsonb) with ordinality as r (value, position)`,
    [id, JSON.stringify(rows)],
  );
}

async function writeEvidence(session: Session, id: number, tables: readonly Table[]): Promise<void> {
  await session.write(
    /* sql */ `
    insert into undrop.evidence (drop_id, table_name, usage)
    select $1, pg_catalog.format('%I.%I', s.schemaname, s.relname),
      pg_catalog.to_jsonb(s) || pg_catalog.jsonb_build_object('stats_reset', (
        select d.stats_reset from pg_catalog.pg_stat_database as d where d.datname = pg_catalog.current_database()))
    from pg_catalog.pg_stat_all_tables as s
    where s.relid = any ($2)`,
    [id, tables.map(({ oid }) => oid)],
  );
}

async function writeFacts(session: Session, id: number, facts: readonly Fact[]): Promise<void> {
  // Smaller parts where there are very many: each text stays in memory until all are sent.
  const factsAtOnce = facts.length > 2000 ? 100 : 2000;
  for (let start = 0; start < facts.length; start += factsAtOnce) {
    const some = facts.slice(start, start + factsAtOnce);
    await session.write(
      /* sql */ `
      insert into undrop.facts (drop_id, position, catalog, identity, columns)
      select $1, $2 + f.position, f.value ->> 0, f.value ->> 1, f.value -> 2
      from pg_catalog.jsonb_array_elements($3::jsonb) with ordinality as f (value, position)`,
      [id, start, JSON.stringify(some.map(({ catalog, identity, columns }) => [catalog, identity, columns]))],
    );
  }
}

/** What is known only after the drop. */
interface Aftermath {
  readonly digest: string;
  readonly survivorChanges: readonly Difference[];
  readonly schemaComment: SchemaComment | undefined;
  readonly place: WalPlace;
}

/** Adds what is known only after the drop to an entry, and writes its checksums. */
export async function amendEntry(
  session: Session,
  id: number,
  { digest, survivorChanges, schemaComment, place }: Aftermath,
): Promise<void> {
  await session.together([
    session.write(amendSql, [
      id,
      JSON.stringify(survivorChanges),
      schemaComment === undefined ? null : JSON.stringify(schemaComment),
      place.lsn,
      place.restorePoint,
    ]),
    seal(session, id, digest),
  ]);
}

const amendSql = /* sql */ `
  update undrop.drops set host_changes = $2, schema_comment = $3, lsn = $4::text::pg_catalog.pg_lsn, restore_point = $5
  where id = $1`;

/**
 * Completes an entry that holds the remaining tables of the entry `from`. It takes over the circumstances of the drop:
 * time, role, approvals, backup, position in the write-ahead log, and the schema comment, which is yet to be restored.
 */
export async function takeOver(
  session: Session,
  id: number,
  from: number,
  { digest, survivorChanges }: Pick<Aftermath, 'digest' | 'survivorChanges'>,
): Promise<void> {
  await session.write(takeOverSql, [id, from, JSON.stringify(survivorChanges)]);
  await seal(session, id, digest);
  await session.write(takeEvidenceSql, [id, from]);
  await session.write('update undrop.drops set split_into = $1 where id = $2', [id, from]);
}

const takeOverSql = /* sql */ `
  update undrop.drops as d
  set host_changes = $3, schema_comment = o.schema_comment, dropped_at = o.dropped_at, dropped_by = o.dropped_by,
    dropped_from = o.dropped_from, overrides = o.overrides, approvals = o.approvals, backup_id = o.backup_id,
    lsn = o.lsn, restore_point = o.restore_point
  from undrop.drops as o
  where d.id = $1 and o.id = $2`;

const takeEvidenceSql = /* sql */ `
  update undrop.evidence as e
  set usage = o.usage
  from undrop.evidence as o
  where e.drop_id = $1 and o.drop_id = $2 and o.table_name = e.table_name`;

/** Writes the checksum of the capture and that of the entry itself. */
async function seal(session: Session, id: number, digest: string): Promise<void> {
  const sql = `update undrop.drops as d set digest = $2 || '.' || ${headSql} where d.id = $1`;
  await session.write(sql, [id, digest]);
}

const followSql = /* sql */ `
  update undrop.drops as d
  set prerequisites = (
    select pg_catalog.jsonb_agg(
      case when q.value ->> 'catalog' = 'pg_class' and (q.value ->> 'oid')::bigint = $2
        then q.value || pg_catalog.jsonb_build_object('oid', $3::bigint) else q.value end order by q.position)
    from pg_catalog.jsonb_array_elements(d.prerequisites) with ordinality as q (value, position))
  where d.id = $1 and d.prerequisites <> '[]'`;

const resealSql = /* sql */ `
  update undrop.drops as d set digest = pg_catalog.split_part(d.digest, '.', 1) || '.' || ${headSql} where d.id = $1`;

/** Replaces the OID of a recreated relation in the prerequisites of an entry of this transaction. */
export async function followRelation(session: Session, id: number, was: number, is: number): Promise<void> {
  await session.write(followSql, [id, was, is]);
  await session.write(resealSql, [id]);
}
