import type { KeptEntry } from '../archive/entries.ts';
import { checkMoved } from '../archive/move-tables.ts';
import { isUndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import type { Check } from './format.ts';

/**
 * Checks that moved tables are still where `up` moved them. Shows their size, and whether the time has passed until which they
 * were to be kept. Empty where no table is moved.
 */
export async function checkArchived(session: Session, open: readonly KeptEntry[]): Promise<Check[]> {
  const held = open.filter(({ moved, givenUp }) => givenUp === null && moved.length > 0);
  if (held.length === 0) return [];
  const lost: string[] = [];
  for (const entry of held) {
    try {
      await checkMoved(session, entry);
    } catch (error) {
      if (!isUndropError(error)) throw error;
      lost.push(`${entry.migration}: ${error.message}`);
    }
  }
  const found = held.map(({ migration, note }) => `${migration}: ${note}`);
  const name = 'moved tables exist';
  return lost.length > 0
    ? [{ name, state: 'failed', found: lost.join('; ') }]
    : [{ name, state: 'ok', found: found.join('; ') }];
}
