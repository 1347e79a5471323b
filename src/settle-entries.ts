import { compareArchived } from './across-majors.ts';
import { type Entry, findEntry, loadCapture, markRestored } from './archive.ts';
import { describeDifferences } from './compare.ts';
import { readEntries } from './entries.ts';
import { isUndropError } from './errors.ts';
import { readRestored } from './restore.ts';
import { compareRows } from './rows.ts';
import { restoreSchemaComment } from './schema-comment.ts';
import type { Session } from './session.ts';
import { readPresent } from './verify.ts';

/** An open entry whose tables are all there, by whatever means they came. */
export interface Settled {
  readonly migration: string;
  readonly id: number;
  /** Marked restored, so that a later rollback has nothing left to do. */
  readonly restored: boolean;
  /** Why it was left open. */
  readonly reason: string | null;
}

/**
 * Marks the open entries as restored whose tables are all there and equal to what was dropped. The comment on the
 * schema goes back with them, as a rollback would do it.
 */
export async function settleEntries(session: Session): Promise<Settled[]> {
  const settled: Settled[] = [];
  for (const { migration, restoredAt } of await readEntries(session)) {
    if (restoredAt !== null) continue;
    const entry = await findEntry(session, migration);
    if (entry === undefined || entry.restoredAt !== null) continue;
    const names = entry.tables.map(({ sql }) => sql);
    if ((await readPresent(session, names)).length < names.length) continue;
    const reason = await findDifference(session, entry);
    if (reason === null) {
      if (entry.schemaComment !== null) await restoreSchemaComment(session, entry.schemaComment);
      await markRestored(session, entry.id);
    }
    settled.push({ migration, id: entry.id, restored: reason === null, reason });
  }
  return settled;
}

async function findDifference(session: Session, entry: Entry): Promise<string | null> {
  try {
    const { facts: dropped, rows } = await loadCapture(session, entry);
    const { facts } = await readRestored(
      session,
      entry.tables.map(({ sql }) => sql),
    );
    const own = compareArchived(entry.serverVersion, dropped, session.server, facts.own);
    const differences = [...own.differences, ...(await compareRows(session, rows))];
    return differences.length === 0 ? null : describeDifferences(differences);
  } catch (error) {
    // What a damaged archive is restored without, it cannot be compared with either.
    if (isUndropError(error) && error.code === 'archive-damaged') return error.message;
    throw error;
  }
}
