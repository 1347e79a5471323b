import { backupsSql, hasArchive } from '../archive/schema.ts';
import type { Session } from '../session/session.ts';
import type { Recorded } from './damage.ts';

/** A backup as the archive has it recorded. */
export interface BackupRecord {
  readonly id: number;
  readonly finishedAt: string;
  /** Null, like all that is said of the file, where it was attested. */
  readonly file: string | null;
  readonly format: string | null;
  readonly bytes: string | null;
  readonly sha256: string | null;
  readonly manifestSha256: string | null;
  readonly proof: string;
  readonly attestation: string | null;
  readonly host: string;
  /** Of this database, not of one that it was copied from. */
  readonly own: boolean;
  /** Migrations whose drops were let through because of it, and stand. */
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

/** All of them, newest first; none where there is no archive yet. */
export async function readBackups(session: Session): Promise<BackupRecord[]> {
  return (await hasArchive(session)) ? session.read<BackupRecord>(recordsSql) : [];
}

/** What the archive knows of its file; null where it was attested and has none. */
export function recordedOf({ file, bytes, sha256, manifestSha256 }: BackupRecord): Recorded | null {
  if (file === null || bytes === null || sha256 === null) return null;
  return { file, bytes, sha256, manifestSha256 };
}

/** What it is called: its path, or the words that it was attested with. */
export function nameOf({ file, attestation }: Pick<BackupRecord, 'file' | 'attestation'>): string {
  return file ?? `attested as ${attestation}`;
}
