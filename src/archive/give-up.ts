import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { list } from '../text/units.ts';
import { changeArchive } from './change-archive.ts';
import { describeEntry } from './entries.ts';
import type { Entry } from './entry.ts';
import { type ListedEntry, listArchive } from './list.ts';
import { dropMoved } from './move-tables.ts';

/**
 * Finds the open entry of a migration that is to be given up.
 *
 * @param entry its number, where the migration has several
 * @throws UndropError `archive-missing` where there is none, or it was given up before; `bad-options` where there are
 * several
 */
export async function findGivable(
  session: Session,
  { migration, entry }: { readonly migration: string; readonly entry?: number | undefined },
): Promise<ListedEntry> {
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
 * Removes the rows of an open entry from the archive for good, copies and moved tables. The entry stays, with the
 * definitions of its tables, and records who gave it up. It must be locked by the caller's transaction.
 */
export async function giveUp(session: Session, { id, moved }: Pick<Entry, 'id' | 'moved'>): Promise<void> {
  const stores = await session.read<{ store: string }>(
    'select r.store from undrop.rows as r where r.drop_id = $1 order by r.position',
    [id],
  );
  if (stores.length > 0)
    await session.run(`drop table if exists ${stores.map(({ store }) => store).join(', ')}`);
  await dropMoved(session, moved);
  await changeArchive(session, () =>
    session.write(
      'update undrop.drops set given_up_at = pg_catalog.clock_timestamp(), given_up_by = current_user where id = $1',
      [id],
    ),
  );
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
