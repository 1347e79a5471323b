import type { Knex } from 'knex';
import { inSession, type Session } from '../../src/session/session.ts';

let count = 0;

/** Queries are kept by the version of the server. It differs for each of these sessions, so that all queries are built anew. */
export function inFreshSession<T>(knex: Knex, work: (session: Session) => Promise<T>): Promise<T> {
  return inSession(knex, (session) => {
    const version = `${session.server.version} ${++count}`;
    return work({ ...session, server: { ...session.server, version } });
  });
}
