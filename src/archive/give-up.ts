import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { list } from '../text/units.ts';
import { changeArchive, lockIfPublished } from './change-archive.ts';
import { describeEntry } from './entries.ts';
import { type Entry, holdEntry } from './entry.ts';
import { dropStores } from './kept-rows.ts';
import { type ListedEntry, listArchive } from './list.ts';
import { dropMoved } from './move-tables.ts';

/** The migration whose open entry is to be given up, and the number of the entry, where it has several. */
interface Givable {
  readonly migration: string;
  readonly entry?: number | undefined;
}

/**
 * Finds the open entry of a migration that is to be given up.
 *
 * @throws UndropError `archive-missing` where there is none, or it was given up before; `bad-options` where there are
 * several
 */
export async function findGivable(session: Session, { migration, entry }: Givable): Promise<ListedEntry> {
  const named = (await listArchive(session)).filter((kept) => kept.migration === migration);
  const open = named.filter(({ id, restoredAt }) => restoredAt === null && id === (entry ?? id));
  const [found, ...others] = open;
  if (found === undefined) {
    throw new UndropError('archive-missing', {
      subject: migration,
      message: `The archive in ${session.database} has no open entry for ${migration}.`,
      reason: named.length === 0 ? 'It has no entry for it.' : 'Its tables were restored.',
      next: 'Correct the name; archive --list lists all entries.',
    });
  }
  if (others.length > 0) {
    throw new UndropError('bad-options', {
      subject: migration,
      message: `The archive has several open entries for ${migration}.`,
      reason: open.map(describeEntry).join('\n'),
      next: 'Choose one with --entry.',
    });
  }
  refuseGivenUp(found);
  return found;
}

/**
 * Removes the rows of the open entry of a migration from the archive for good, copies and moved tables. The entry stays, with
 * the definitions of its tables, and records who gave it up.
 *
 * @throws UndropError as `findGivable`
 */
export async function giveUp(session: Session, wanted: Givable): Promise<ListedEntry> {
  await lockIfPublished(session);
  const { id } = await findGivable(session, wanted);
  await holdEntry(session, id);
  // Another session may have restored it, or given it up, before the lock was acquired.
  const entry = await findGivable(session, { ...wanted, entry: id });
  await dropStores(session, [id]);
  await dropMoved(session, entry.moved);
  await changeArchive(session, () =>
    session.write(
      'update undrop.drops set given_up_at = pg_catalog.clock_timestamp(), given_up_by = current_user where id = $1',
      [id],
    ),
  );
  return entry;
}

/** @throws UndropError `archive-missing` where the entry was given up */
export function refuseGivenUp({
  id,
  migration,
  tables,
  givenUp,
}: Pick<Entry, 'id' | 'migration' | 'tables' | 'givenUp'>): void {
  if (givenUp === null) return;
  throw new UndropError('archive-missing', {
    subject: migration,
    message: `Entry ${id} of ${migration} was given up: ${list(tables.map(({ sql }) => sql))} cannot be restored from the archive.`,
    reason: `${givenUp.by} removed the rows from the archive for good on ${givenUp.at}.`,
    next: 'Restore the tables from a backup. The archive still holds their definitions: undrop ddl prints them.',
  });
}
