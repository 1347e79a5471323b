import { backupsSql, hasArchive } from '../archive/schema.ts';
import type { Session } from '../session/session.ts';
import type { Recorded } from './damage.ts';

/** The record of a backup in the archive. */
export interface BackupRecord {
  readonly id: number;
  readonly finishedAt: string;
  /** Null for an attested backup, as are the other columns of the file. */
  readonly file: string | null;
  readonly format: string | null;
  readonly bytes: string | null;
  readonly sha256: string | null;
  readonly manifestSha256: string | null;
  readonly proof: string;
  readonly attestation: string | null;
  readonly host: string;
  /** Whether it is a backup of this database, not of one that this was copied from. */
  readonly own: boolean;
  /** The migrations with open entries whose drops depend on this backup. */
  readonly reliedOnBy: readonly string[];
}

const recordsSql = /* sql */ `
  select b.id, b.finished_at as "finishedAt", b.file, b.format, b.bytes::text as bytes, b.sha256,
    b.manifest_sha256 as "manifestSha256", b.proof, b.attestation, b.host, b.own,
    array(
      select d.migration from undrop.drops as d
      where d.backup_id = b.id and d.restored_at is null order by d.migration) as "reliedOnBy"
  from (${backupsSql}) as b
  order by b.finished_at desc, b.id desc`;

/** Returns all records, newest first; none if there is no archive yet. */
export async function readBackups(session: Session): Promise<BackupRecord[]> {
  return (await hasArchive(session)) ? session.read<BackupRecord>(recordsSql) : [];
}

/** Returns the record of the file; null for an attested backup, which has none. */
export function recordedOf({ file, bytes, sha256, manifestSha256 }: BackupRecord): Recorded | null {
  if (file === null || bytes === null || sha256 === null) return null;
  return { file, bytes, sha256, manifestSha256 };
}

/** Returns the path of a backup, or its attestation. */
export function nameOf({ file, attestation }: Pick<BackupRecord, 'file' | 'attestation'>): string {
  return file ?? `attested as ${attestation}`;
}
