import { type Accepted, acceptDifferences } from './accept.ts';
import { compareArchived } from './across-majors.ts';
import { type Entry, holdEntry, loadCapture } from './archive.ts';
import { readEntries } from './entries.ts';
import { isUndropError } from './errors.ts';
import { readReplaced } from './replaced.ts';
import { readRestored } from './restore.ts';
import { markRestoredAs } from './restore-entry.ts';
import { compareRows } from './rows.ts';
import { restoreSchemaComment } from './schema-comment.ts';
import type { Session } from './session.ts';
import { readTied } from './tied-rows.ts';
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
 * Marks the open entries as restored whose tables are all there and equal to what was dropped, but for differences that
 * are accepted. The comment on the schema goes back with them, as a rollback would do it.
 *
 * @param accept the digest of differences that are accepted; default: none
 */
export async function settleEntries(session: Session, accept?: string): Promise<Settled[]> {
  const settled: Settled[] = [];
  for (const { id, restoredAt } of await readEntries(session)) {
    if (restoredAt !== null) continue;
    const entry = await holdEntry(session, id);
    if (entry === undefined || entry.restoredAt !== null) continue;
    const names = entry.tables.map(({ sql }) => sql);
    if ((await readPresent(session, names)).length < names.length) continue;
    const judged = await judge(session, entry, accept);
    if (judged.reason === null) {
      if (entry.schemaComment !== null) await restoreSchemaComment(session, entry.schemaComment);
      await markRestoredAs(session, entry, 'restore', judged.accepted);
    }
    settled.push({ migration: entry.migration, id, restored: judged.reason === null, reason: judged.reason });
  }
  return settled;
}

interface Judged {
  readonly reason: string | null;
  readonly accepted: Accepted | null;
}

async function judge(session: Session, entry: Entry, accept: string | undefined): Promise<Judged> {
  try {
    const { facts: dropped, rows } = await loadCapture(session, entry);
    const { facts } = await readRestored(
      session,
      entry.tables.map(({ sql }) => sql),
    );
    const own = compareArchived(entry.serverVersion, dropped, session.server, facts.own);
    const differences = [
      ...own.differences,
      ...(await compareRows(session, rows)),
      ...(await readTied(session, await readReplaced(session, entry), { facts: dropped, rows })),
    ];
    const accepted = acceptDifferences(differences, accept === undefined ? [] : [accept], {
      code: 'restore-differs',
      message: 'What is there is not what was dropped.',
      next: 'Undo what has changed around the tables since the drop.',
      rows: 'accept',
    });
    return { reason: null, accepted };
  } catch (error) {
    if (!isUndropError(error)) throw error;
    if (error.code === 'restore-differs') return { reason: `${error.reason}\n${error.next}`, accepted: null };
    // What a damaged archive is restored without, it cannot be compared with either.
    if (error.code === 'archive-damaged') return { reason: error.message, accepted: null };
    throw error;
  }
}
