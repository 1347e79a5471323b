import type { Knex } from 'knex';
import { changeArchive } from '../archive/change-archive.ts';
import { ensureArchive } from '../archive/schema.ts';
import { readObjectDigests } from '../catalog/facts/fact-digests.ts';
import { readSurroundings } from '../catalog/facts/surroundings.ts';
import { inSession, type Session } from '../session/session.ts';
import { type RecordedFacts, readStanding, writeRecord } from './records.ts';

export interface Recorded {
  /** The number of the record. */
  readonly record: number;
  readonly objects: number;
}

/**
 * Records the facts of all objects as the baseline for `verify`, without a backup. Facts and open entries are read in
 * one snapshot.
 *
 * @param command the command that makes the record
 * @throws UndropError `insufficient-privilege`, `archive-damaged`
 */
export async function recordFacts(knex: Knex, command: string): Promise<Recorded> {
  const read = async (session: Session): Promise<RecordedFacts> => ({
    digests: await readObjectDigests(session),
    surroundings: (await readSurroundings(session)).used,
    standing: await readStanding(session),
  });
  const facts = await inSession(knex, read, { oneSnapshot: true });
  const record = await inSession(knex, async (session) => {
    await ensureArchive(session);
    return changeArchive(session, () => writeRecord(session, facts, { command, backup: null }));
  });
  return { record, objects: Object.keys(facts.digests).length };
}
