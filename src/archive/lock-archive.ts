import { sqlState, UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { say } from '../text/log.ts';
import { duration } from '../text/units.ts';

const key = `pg_catalog.hashtext('undrop.archive')`;

const holdersSql = /* sql */ `
  select pg_catalog.format('pid %s (%s)', l.pid, coalesce(a.usename, '?')) as holder
  from pg_catalog.pg_locks as l
  left join pg_catalog.pg_stat_activity as a on a.pid = l.pid
  -- the key of type bigint is in two columns
  where l.locktype = 'advisory' and l.granted and l.objsubid = 1
    and (l.classid::bigint << 32) + l.objid::bigint = ${key}::bigint
    and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
  order by l.pid`;

/**
 * Acquires the lock that prevents two sessions from creating the archive, until the transaction ends. Logs the session
 * that it waits for.
 *
 * @throws UndropError `lock-timeout`, which names the session that holds the lock
 */
export async function lockArchive(session: Session, waitMs = 60_000): Promise<void> {
  const [lock] = await session.read<{ acquired: boolean; timeout: string }>(
    `select pg_catalog.pg_try_advisory_xact_lock(${key}) as acquired, pg_catalog.current_setting('lock_timeout') as timeout`,
  );
  if (lock === undefined || lock.acquired) return;
  const holder = await readHolder(session);
  say(`Waiting for the archive, which ${holder} uses.`);
  try {
    await session.attemptRun(
      `set local lock_timeout = ${waitMs}; select pg_catalog.pg_advisory_xact_lock(${key}); set local lock_timeout = '${lock.timeout}'`,
    );
  } catch (error) {
    if (sqlState(error) !== '55P03') throw error;
    throw new UndropError('lock-timeout', {
      subject: 'undrop',
      message: `Another session has used the archive in ${session.database} for more than ${duration(waitMs / 1000)}.`,
      reason: await readHolder(session),
      next: 'Run it again when that session has ended, or end it with pg_terminate_backend(pid).',
      cause: error,
    });
  }
}

async function readHolder(session: Session): Promise<string> {
  const holders = await session.read<{ holder: string }>(holdersSql);
  return holders.map(({ holder }) => holder).join(', ') || 'another session';
}
