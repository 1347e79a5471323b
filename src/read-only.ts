import type { Knex } from 'knex';
import { inSession, type Session } from './session.ts';

/** A session that the server lets change nothing, and that does not queue behind a lock for long. */
export function inReadOnlySession<T>(knex: Knex, work: (session: Session) => Promise<T>): Promise<T> {
  return inSession(knex, async (session) => {
    await session.run(`set transaction read only; set local lock_timeout = '5s'`);
    return work(session);
  });
}
