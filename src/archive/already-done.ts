import { readPresent } from '../catalog/present.ts';
import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { commandLine } from '../text/command-line.ts';
import { say } from '../text/log.ts';
import type { Entry } from './entry.ts';

/**
 * Checks that the tables of a restored entry exist. A `down` runs again after a crash between the commit of the restore
 * and Knex's write to its migrations table.
 *
 * @throws UndropError `archive-missing` where a table does not exist
 */
export async function verifyRestored(session: Session, entry: Entry): Promise<void> {
  const present = await readPresent(
    session,
    entry.tables.map(({ sql }) => sql),
  );
  const absent = entry.tables.filter(({ sql }) => !present.includes(sql));
  if (absent.length === 0) {
    say(`${entry.migration}: already restored on ${entry.restoredAt} (entry ${entry.id}); nothing to do`);
    return;
  }
  const names = absent.map(({ written }) => written).join(', ');
  throw new UndropError('archive-missing', {
    subject: names,
    message: `${names} cannot be restored: the archive has no open entry for ${entry.migration}.`,
    reason: `Entry ${entry.id} was restored on ${entry.restoredAt}, and the tables were dropped afterwards by other means.`,
    next: `Restore the tables from a backup, or replay the DDL of the entry: ${commandLine('ddl')}, then restore --from-ddl.`,
  });
}
