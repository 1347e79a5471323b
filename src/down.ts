import type { Knex } from 'knex';
import { findUsedLedger } from './ledgers.ts';
import type { Options } from './options.ts';
import { findRestorable } from './own-entry.ts';
import { restoreEntry } from './restore-entry.ts';
import { inSession } from './session.ts';
import { verifyRestored } from './verify.ts';

/**
 * Brings back what `up` dropped, and shows by the facts that it is what it was.
 * Whatever it throws, nothing has been changed.
 */
export async function down(knex: Knex, options: Options): Promise<void> {
  await inSession(knex, async (session) => {
    const entry = await findRestorable(session, { options, ledger: await findUsedLedger(session, knex) });
    if (entry.restoredAt !== null) return verifyRestored(session, entry);
    await restoreEntry(session, entry, options, 'down');
  });
}
