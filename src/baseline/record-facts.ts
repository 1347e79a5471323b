import type { Knex } from 'knex';
import { ensureArchive } from '../archive/schema.ts';
import { readObjectDigests } from '../catalog/facts/fact-digests.ts';
import { inSession, type Session } from '../session/session.ts';
import { type RecordedFacts, readStanding, writeRecord } from './records.ts';

/** What was recorded, for people. */
export interface Recorded {
  readonly record: number;
  readonly objects: number;
}

/**
 * Keeps the facts of all objects as the baseline for `verify`, with no backup. They are read in one snapshot, so that
 * they fit the drops that stand.
 *
 * @param command by which it is asked for
 * @throws UndropError `insufficient-privilege`, `archive-damaged`
 */
export async function recordFacts(knex: Knex, command: string): Promise<Recorded> {
  const read = async (session: Session): Promise<RecordedFacts> => ({
    digests: await readObjectDigests(session),
    standing: await readStanding(session),
  });
  const facts = await inSession(knex, read, { oneSnapshot: true });
  const record = await inSession(knex, async (session) => {
    await ensureArchive(session);
    return writeRecord(session, facts, { command, backup: null });
  });
  return { record, objects: Object.keys(facts.digests).length };
}
