import type { Statement } from '../capture/capture.ts';
import type { Difference } from '../capture/compare.ts';
import type { Prerequisite } from '../capture/prerequisites.ts';
import type { SchemaComment } from '../capture/schema-comment.ts';
import { withoutCopies } from '../catalog/copied-facts.ts';
import type { Fact } from '../catalog/facts/facts.ts';
import { dropInternalOptions } from '../catalog/internal-options.ts';
import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { dropStores, type KeptRows } from './kept-rows.ts';
import { removeStores } from './move-tables.ts';
import { type MovedSchema, movedSql } from './moved-schemas.ts';
import { refreshLast } from './older-statements.ts';
import { digestOf, headSql } from './seal.ts';

/** An approval as it was given. `by` and `note` are those of `approvals.json`, or the values of `APPROVED_BY` and `APPROVAL_NOTE`. */
export interface KeptApproval {
  readonly table: string;
  readonly fingerprint: string | null;
  readonly by: string | null;
  readonly note: string | null;
  /** When the approval was used, ISO 8601. */
  readonly at: string;
}

/** The archived drop of one `up`. */
export interface Entry {
  readonly id: number;
  readonly migration: string;
  /** The migrations table, qualified and quoted; null where it was unknown. */
  readonly ledger: string | null;
  /** The tables, qualified and quoted. */
  readonly tables: readonly { written: string; sql: string; reason: string | null }[];
  readonly droppedAt: string;
  readonly serverVersion: string;
  readonly prerequisites: readonly Prerequisite[];
  readonly survivors: readonly { kind: string; identity: string }[];
  readonly survivorChanges: readonly Difference[];
  readonly schemaComment: SchemaComment | null;
  /** Where the tables were moved to; empty where they were dropped. */
  readonly moved: readonly MovedSchema[];
  readonly restoredAt: string | null;
  /** When its rows were removed from the archive for good, so that it cannot be restored, and who did so. */
  readonly givenUp: { readonly at: string; readonly by: string } | null;
}

/** SQL: the columns of an entry `d` that only the fifth format has. */
export const fifthSql = /* sql */ `${movedSql('d')} as moved,
    case when pg_catalog.to_jsonb(d) ->> 'given_up_at' is not null then pg_catalog.jsonb_build_object(
      'at', pg_catalog.to_jsonb(d) ->> 'given_up_at', 'by', pg_catalog.to_jsonb(d) ->> 'given_up_by') end as "givenUp"`;

/** Marks an entry as restored. Removes the rows that it holds, unless `keep rows`; their counts and digests stay. */
export async function markRestored(
  session: Session,
  { id, moved }: Pick<Entry, 'id' | 'moved'>,
  keptRows: 'remove rows' | 'keep rows' = 'remove rows',
): Promise<void> {
  if (keptRows === 'remove rows') await dropStores(session, [id]);
  await removeStores(session, moved);
  await session.write(
    'update undrop.drops set restored_at = pg_catalog.clock_timestamp(), restored_by = current_user where id = $1',
    [id],
  );
  await writeRestoredOids(session, id);
}

const restoredOidsSql = /* sql */ `
  update undrop.drops as d
  set restored_oids = (
    select pg_catalog.jsonb_object_agg(o.name, pg_catalog.to_regclass(o.name)::oid::bigint)
    from pg_catalog.jsonb_object_keys(d.oids) as o (name))
  where d.id = $1`;

/** Records the new OIDs of the relations of an entry, on which other entries may depend. Older entries hold no OIDs. */
export async function writeRestoredOids(session: Session, id: number): Promise<void> {
  const [entry] = await session.read<{ known: boolean }>(
    `select pg_catalog.to_jsonb(d) ->> 'oids' is not null as known from undrop.drops as d where d.id = $1`,
    [id],
  );
  if (entry?.known === true) await session.write(restoredOidsSql, [id]);
}

const entrySql = /* sql */ `
  select d.id, d.migration, d.tables, d.dropped_at::text as "droppedAt", d.server_version as "serverVersion",
    d.prerequisites, d.hosts as survivors, d.host_changes as "survivorChanges", d.schema_comment as "schemaComment",
    d.restored_at::text as "restoredAt",
    -- since the fourth format
    pg_catalog.to_jsonb(d) ->> 'ledger' as ledger,
    ${fifthSql}
  from undrop.drops as d
  where d.id = $1
  for update`;

/** Reads an entry and locks it until the transaction ends. Undefined where another session has removed it. */
export async function holdEntry(session: Session, id: number): Promise<Entry | undefined> {
  const [entry] = await session.read<Entry>(entrySql, [id]);
  return entry;
}

const rowsSql = /* sql */ `
  select table_name as table, store, count::text as count, digest
  from undrop.rows where drop_id = $1 order by position`;

// The column `moved` exists since the fifth format.
const statementsSql = /* sql */ `
  select s.kind, s.identity, s.sql, pg_catalog.to_jsonb(s) -> 'moved' as moved
  from undrop.statements as s
  where s.drop_id = $1
  order by s.position`;

// One statement for all parts, which are long only in large entries.
const captureSql = /* sql */ `
  select d.digest, ${headSql} as head,
    ${listOf(statementsSql)} as statements,
    ${listOf('select catalog, identity, columns from undrop.facts where drop_id = $1 order by position')} as facts,
    ${listOf(rowsSql)} as rows
  from undrop.drops as d
  where d.id = $1`;

function listOf(sql: string): string {
  return `(select coalesce(pg_catalog.json_agg(l), '[]') from (${sql}) as l)`;
}

interface Kept {
  readonly digest: string;
  readonly head: string;
  readonly statements: (Omit<Statement, 'moved'> & { moved: boolean | null })[];
  readonly facts: Fact[];
  readonly rows: KeptRows[];
}

/**
 * Reads the capture of an entry.
 *
 * @throws UndropError `archive-damaged` where a checksum is wrong
 */
export async function loadCapture(
  session: Session,
  entry: Entry,
): Promise<{ statements: Statement[]; facts: Fact[]; rows: KeptRows[] }> {
  const [kept] = await session.read<Kept>(captureSql, [entry.id]);
  if (kept === undefined) throw damaged(entry.migration);
  const { facts, rows } = kept;
  const statements = kept.statements.map(({ moved, ...statement }) =>
    moved === true ? { ...statement, moved } : statement,
  );
  // Older entries have a checksum of the capture only.
  const [capture, head = kept.head] = kept.digest.split('.');
  if (capture === digestOf(statements, facts, rows) && head === kept.head)
    return { statements: refreshLast(statements), facts: facts.map(inCurrentForm), rows };
  throw damaged(entry.migration);
}

/** The error for an entry that was changed after it was written. */
export function damaged(migration: string): UndropError {
  return new UndropError('archive-damaged', {
    subject: migration,
    message: `The archive entry of ${migration} was changed after it was written.`,
    reason: 'The checksum of the entry, or that of its statements, facts and row counts, does not match.',
    next: 'Restore the tables from a backup, or from exported DDL with restore --from-ddl.',
  });
}

/** Earlier versions wrote facts that are no longer facts. */
function inCurrentForm({ columns, ...fact }: Fact): Fact {
  return withoutCopies({ ...fact, columns: dropInternalOptions(columns) });
}
