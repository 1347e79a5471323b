import { rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Session } from '../session/session.ts';
import { findDamage, type Recorded } from './damage.ts';
import { manifestOf } from './manifest.ts';
import { type BackupRecord, nameOf, readBackups, recordedOf } from './records.ts';

export interface Pruned {
  /** Files that were removed, or were gone already, with their records. */
  readonly removed: readonly string[];
  /** Beyond the number to keep, and left for a reason. */
  readonly left: readonly { readonly backup: string; readonly reason: string }[];
}

/**
 * Removes the backups of this database on this machine but for the newest: files, manifests, records. Never one that a
 * drop relies on that stands, nor a file that is not what was recorded.
 *
 * @param keep how many stay, of those whose files are there
 */
export async function pruneBackups(session: Session, keep: number): Promise<Pruned> {
  const removed: BackupRecord[] = [];
  const left: { backup: string; reason: string }[] = [];
  let kept = 0;
  for (const backup of await readBackups(session)) {
    const recorded = recordedOf(backup);
    if (!backup.own || recorded === null || backup.host !== hostname()) continue;
    const there = await isThere(recorded);
    if (there && kept < keep) {
      kept++;
      continue;
    }
    const reason = whyNot(backup) ?? (there ? (await findDamage(recorded))?.reason : undefined);
    if (reason !== undefined) {
      left.push({ backup: recorded.file, reason });
      continue;
    }
    if (there) await rm(recorded.file, { recursive: true });
    if (there) await rm(manifestOf(recorded.file), { force: true });
    removed.push(backup);
  }
  // After the files: a record without its file is found the next time, a file without its record never.
  await session.write('delete from undrop.backups where id = any ($1)', [removed.map(({ id }) => id)]);
  return { removed: removed.map(nameOf), left };
}

function whyNot({ reliedOnBy }: BackupRecord): string | undefined {
  if (reliedOnBy.length === 0) return undefined;
  return `${reliedOnBy.join(', ')} relied on it, and what that dropped is not restored`;
}

function isThere({ file }: Recorded): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
