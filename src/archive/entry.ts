import type { Statement } from '../capture/capture.ts';
import type { Difference } from '../capture/compare.ts';
import type { Prerequisite } from '../capture/prerequisites.ts';
import type { SchemaComment } from '../capture/schema-comment.ts';
import type { Fact } from '../catalog/facts/facts.ts';
import { dropInternalOptions } from '../catalog/internal-options.ts';
import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import type { KeptRows } from './kept-rows.ts';
import { refreshLast } from './older-statements.ts';
import { digestOf, headSql } from './seal.ts';

/** An approval as it was given: by whom and with which words where `APPROVED_BY` and `APPROVAL_NOTE` say so. */
export interface KeptApproval {
  readonly table: string;
  readonly fingerprint: string | null;
  readonly by: string | null;
  readonly note: string | null;
  /** When the approval was used, ISO 8601. */
  readonly at: string;
}

/** One `up`, as the archive keeps it. */
export interface Entry {
  readonly id: number;
  readonly migration: string;
  /** The table in which Knex had recorded what has run, qualified and quoted; null where that was not known. */
  readonly ledger: string | null;
  /** The tables, qualified and quoted. */
  readonly tables: readonly { written: string; sql: string; reason: string | null }[];
  readonly droppedAt: string;
  readonly serverVersion: string;
  readonly prerequisites: readonly Prerequisite[];
  readonly survivors: readonly { kind: string; identity: string }[];
  readonly survivorChanges: readonly Difference[];
  readonly schemaComment: SchemaComment | null;
  readonly restoredAt: string | null;
}

/** The entry is restored: what it knows of rows stays; the rows that it kept go, unless they are to be kept. */
export async function markRestored(
  session: Session,
  id: number,
  keptRows: 'remove rows' | 'keep rows' = 'remove rows',
): Promise<void> {
  const rows = keptRows === 'keep rows' ? [] : await readRows(session, id);
  if (rows.length > 0) await session.run(`drop table if exists ${rows.map(({ store }) => store).join(', ')}`);
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

/** What the relations of an entry are now that they are back: others rest on them. Older entries do not ask. */
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
    -- of the fourth format
    pg_catalog.to_jsonb(d) ->> 'ledger' as ledger
  from undrop.drops as d
  where d.id = $1
  for update`;

/** An entry, locked until the transaction ends: another session may have restored or removed it meanwhile. */
export async function holdEntry(session: Session, id: number): Promise<Entry | undefined> {
  const [entry] = await session.read<Entry>(entrySql, [id]);
  return entry;
}

/**
 * The capture of an entry.
 *
 * @throws UndropError `archive-damaged` where it is not what was written
 */
export async function loadCapture(
  session: Session,
  entry: Entry,
): Promise<{ statements: Statement[]; facts: Fact[]; rows: KeptRows[] }> {
  const statements = await session.read<Statement>(
    'select kind, identity, sql from undrop.statements where drop_id = $1 order by position',
    [entry.id],
  );
  const facts = await session.read<Fact>(
    'select catalog, identity, columns from undrop.facts where drop_id = $1 order by position',
    [entry.id],
  );
  const rows = await readRows(session, entry.id);
  const [kept] = await session.read<{ digest: string; head: string }>(
    `select d.digest, ${headSql} as head from undrop.drops as d where d.id = $1`,
    [entry.id],
  );
  // Older entries have no checksum but that of the capture.
  const [capture, head = kept?.head] = kept?.digest.split('.') ?? [];
  if (capture === digestOf(statements, facts, rows) && head === kept?.head)
    return { statements: refreshLast(statements), facts: facts.map(withoutInternal), rows };
  throw damaged(entry.migration);
}

/** The refusal of an entry that somebody has written in. */
export function damaged(migration: string): UndropError {
  return new UndropError('archive-damaged', {
    subject: migration,
    message: `What the archive keeps of ${migration} is not what was written.`,
    reason:
      'The entry, its statements, facts or counts of rows do not have the checksum that they were written with.',
    next: 'Restore the tables from a backup, or from exported DDL with restore --from-ddl.',
  });
}

function withoutInternal({ columns, ...fact }: Fact): Fact {
  return { ...fact, columns: dropInternalOptions(columns) };
}

const rowsSql = /* sql */ `
  select table_name as table, store, count::text as count, digest
  from undrop.rows where drop_id = $1 order by position`;

function readRows(session: Session, id: number): Promise<KeptRows[]> {
  return session.read<KeptRows>(rowsSql, [id]);
}
