import type { Knex } from 'knex';
import { verifyRestored } from '../archive/already-done.ts';
import { findRestorable } from '../archive/entry-of-migration.ts';
import { findUsedLedger } from '../knex/find-ledgers.ts';
import type { Options } from '../options/options.ts';
import { inSession } from '../session/session.ts';
import { restoreEntry } from './restore-entry.ts';

/** Restores what `up` dropped, and compares the result with the archived facts. If it throws, nothing was changed. */
export async function down(knex: Knex, options: Options): Promise<void> {
  await inSession(knex, async (session) => {
    const entry = await findRestorable(session, { options, ledger: await findUsedLedger(session, knex) });
    if (entry.restoredAt !== null) return verifyRestored(session, entry);
    await restoreEntry(session, entry, options, 'down');
  });
}
