import type { Knex } from 'knex';
import { findEntry } from './archive.ts';
import { hasArchive } from './archive-schema.ts';
import { UndropError } from './errors.ts';
import type { Options } from './options.ts';
import { restoreEntry } from './restore-entry.ts';
import { inSession, type Session } from './session.ts';
import { verifyRestored } from './verify.ts';

/**
 * Brings back what `up` dropped, and shows by the facts that it is what it was.
 * Whatever it throws, nothing has been changed.
 */
export async function down(knex: Knex, options: Options): Promise<void> {
  await inSession(knex, async (session) => {
    const entry = (await hasArchive(session)) ? await findEntry(session, options.name) : undefined;
    if (entry === undefined) throw archiveMissing(session, options);
    if (entry.restoredAt !== null) return verifyRestored(session, entry);
    await restoreEntry(session, entry, options, 'down');
  });
}

function archiveMissing(session: Session, options: Options): UndropError {
  return new UndropError('archive-missing', {
    subject: options.name,
    message: `The archive in ${session.database} has no entry for ${options.name}.`,
    reason:
      'Knex has it recorded as done, but what it dropped was never archived here, or the archive was emptied.',
    next:
      'Restore the tables from a backup, or from exported DDL with restore --from-ddl; ' +
      'if nothing was dropped, delete the row from the ledger.',
  });
}
