import type { Session } from '../session/session.ts';
import { type KeptEntry, readEntries } from './entries.ts';
import { movedBytesSql } from './moved-schemas.ts';
import { backupsSql, hasArchive } from './schema.ts';

/** An entry with the rows that it holds, and the backup that `up` relied on. */
export interface ListedEntry extends KeptEntry {
  /** How many rows were copied. A restore removes them from the archive. */
  readonly rows: string;
  /** The disk space that they take now, in bytes. */
  readonly bytes: string;
  /** The number of the backup that `up` relied on; null where it required none. */
  readonly backupId: number | null;
  /** Null also where the backup is no longer recorded. */
  readonly backup: ReliedOn | null;
}

interface ReliedOn {
  readonly id: number;
  readonly finishedAt: string;
  readonly proof: string;
  /** Null for an attested backup, which was taken by other means. */
  readonly file: string | null;
  readonly attestation: string | null;
}

// https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-DBSIZE
const keptSql = /* sql */ `
  select d.id, d.backup_id as "backupId", coalesce(pg_catalog.sum(r.count), 0)::text as rows,
    (coalesce(pg_catalog.sum(pg_catalog.pg_total_relation_size(pg_catalog.to_regclass(r.store))), 0)
      + ${movedBytesSql('d')})::text as bytes,
    (select pg_catalog.jsonb_build_object('id', b.id, 'finishedAt', b.finished_at, 'proof', b.proof, 'file', b.file,
       'attestation', b.attestation)
     from (${backupsSql}) as b where b.id = d.backup_id) as backup
  from undrop.drops as d
  left join undrop.rows as r on r.drop_id = d.id
  group by d.id`;

/** All entries of the archive, oldest drop first. Empty where there is no archive. */
export async function listArchive(session: Session): Promise<ListedEntry[]> {
  if (!(await hasArchive(session))) return [];
  const kept =
    await session.read<Pick<ListedEntry, 'id' | 'rows' | 'bytes' | 'backupId' | 'backup'>>(keptSql);
  const byId = new Map(kept.map((row) => [row.id, row]));
  return (await readEntries(session)).map((entry) => ({
    ...entry,
    ...(byId.get(entry.id) ?? { rows: '0', bytes: '0', backupId: null, backup: null }),
  }));
}
