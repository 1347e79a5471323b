import { rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { changeArchive, lockIfPublished } from '../archive/change-archive.ts';
import type { Session } from '../session/session.ts';
import { findDamage, type Recorded } from './damage.ts';
import { manifestOf } from './manifest.ts';
import { type BackupRecord, nameOf, readBackups, recordedOf } from './records.ts';

export interface Pruned {
  /** Backups whose records were removed, with their files if these existed. */
  readonly removed: readonly string[];
  /** Backups that exceed the number to keep but were kept, each with the reason. */
  readonly left: readonly { readonly backup: string; readonly reason: string }[];
}

/**
 * Removes all but the newest backups of this database on this host: files, manifests and records. Keeps backups that an
 * open entry depends on, and files that differ from their record.
 *
 * @param keep the number of backups to keep, not counting those whose files do not exist
 */
export async function pruneBackups(session: Session, keep: number): Promise<Pruned> {
  await lockIfPublished(session);
  const removed: BackupRecord[] = [];
  const left: { backup: string; reason: string }[] = [];
  let kept = 0;
  for (const backup of await readBackups(session)) {
    const recorded = recordedOf(backup);
    if (!backup.own || recorded === null || backup.host !== hostname()) continue;
    const exists = await fileExists(recorded);
    if (exists && kept < keep) {
      kept++;
      continue;
    }
    const reason = whyNot(backup) ?? (exists ? (await findDamage(recorded))?.reason : undefined);
    if (reason !== undefined) {
      left.push({ backup: recorded.file, reason });
      continue;
    }
    if (exists) await rm(recorded.file, { recursive: true });
    if (exists) await rm(manifestOf(recorded.file), { force: true });
    removed.push(backup);
  }
  // After the files: the next run finds a record without its file, but not a file without its record.
  await changeArchive(session, () =>
    session.write('delete from undrop.backups where id = any ($1)', [removed.map(({ id }) => id)]),
  );
  return { removed: removed.map(nameOf), left };
}

function whyNot({ reliedOnBy }: BackupRecord): string | undefined {
  if (reliedOnBy.length === 0) return undefined;
  return `the drop by ${reliedOnBy.join(', ')} depends on it and is not restored`;
}

function fileExists({ file }: Recorded): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
