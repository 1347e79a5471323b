import type { Knex } from 'knex';
import { sqlState, UndropError } from '../errors.ts';
import { inSession, type Session } from './session.ts';

/**
 * Does work in a read-only transaction that waits at most five seconds for a lock.
 *
 * @throws UndropError `lock-timeout`; whatever `work` throws
 */
export function inReadOnlySession<T>(knex: Knex, work: (session: Session) => Promise<T>): Promise<T> {
  const reading = async (session: Session) => {
    await session.run(`set transaction read only; set local lock_timeout = '5s'`);
    return work(session).catch((error) => {
      throw sqlState(error) === '55P03' ? lockTimeout(session, error) : error;
    });
  };
  return inSession(knex, reading, { onlyReads: true });
}

function lockTimeout({ database }: Session, cause: Error): UndropError {
  return new UndropError('lock-timeout', {
    subject: database,
    message: `Another session holds a lock on an object to be read in ${database}.`,
    reason: cause.message,
    next: 'Run it again when that session has ended; pg_locks and pg_stat_activity show it.',
    cause,
  });
}
