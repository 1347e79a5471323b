import { readEntries } from '../archive/entries.ts';
import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { type Exported, exportEntry } from './export-entry.ts';

export interface ExportedEntry extends Exported {
  readonly id: number;
  readonly migration: string;
}

/**
 * Writes the open entries, or the named one, into a folder: one file each, which can be restored without the archive. A
 * named entry may also be one that was restored with accepted differences, since it still holds its rows.
 *
 * @throws UndropError `archive-missing` where there is no such entry; as `exportEntry`
 */
export async function exportArchive(
  session: Session,
  folder: string,
  { entry: id, migration }: { entry?: number | undefined; migration?: string | undefined },
): Promise<ExportedEntry[]> {
  const meant = (await readEntries(session)).filter(
    (entry) =>
      (id === undefined || entry.id === id) && (migration === undefined || entry.migration === migration),
  );
  const open = meant.filter(
    ({ restoredAt, accepted }) => restoredAt === null || (id !== undefined && accepted.length > 0),
  );
  if (open.length === 0) {
    const last = meant.at(-1);
    throw new UndropError('archive-missing', {
      subject: migration ?? (id === undefined ? session.database : `entry ${id}`),
      message: `The archive in ${session.database} has nothing to export.`,
      reason:
        last === undefined
          ? 'It has no such entry.'
          : `Entry ${last.id} of ${last.migration} was restored on ${last.restoredAt}.`,
      next: 'archive --list shows the entries; undrop ddl --migration prints the structure of a restored entry.',
    });
  }
  const exported: ExportedEntry[] = [];
  for (const entry of open) {
    exported.push({
      id: entry.id,
      migration: entry.migration,
      ...(await exportEntry(session, entry, folder)),
    });
  }
  return exported;
}
