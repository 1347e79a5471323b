import { setTimeout as sleep } from 'node:timers/promises';
import type { ObjectKey } from '../catalog/closure.ts';
import { isVerdict, sqlState, UndropError } from '../errors.ts';
import type { Options } from '../options/options.ts';
import type { Session } from '../session/session.ts';
import { say } from '../text/log.ts';
import { readBlockers, readLongTransactions } from './blockers.ts';

/** How often and how long locks are waited for, and the migration that needs them. */
export type Patience = Pick<Options, 'name' | 'lockTimeoutMs' | 'lockTries'>;

/** One lock to take. */
export interface Lock {
  readonly oid: number;
  readonly sql: string;
}

/** One attempt to acquire all the locks. */
export interface Attempt {
  /** From 1. */
  readonly number: number;
  /** How long the attempt may wait, in milliseconds. */
  readonly ms: number;
}

// Long enough for short queries to end, but shorter than deadlock_timeout: an application that waits for this session
// while this session waits for it is never ended as part of a deadlock.
const shortAttemptMs = 300;

// An earlier migration in the same transaction may hold locks that other sessions wait for, on tables it dropped too.
const startSql = /* sql */ `
  select least(
      $1::int, $2::int,
      (extract(epoch from pg_catalog.current_setting('deadlock_timeout')::interval) * 600)::int) as short,
    exists (
      select from pg_catalog.pg_locks as l
      left join pg_catalog.pg_class as c on c.oid = l.relation
      left join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      where l.pid = pg_catalog.pg_backend_pid() and l.locktype = 'relation' and l.granted
        and l.mode in ('ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        and coalesce(n.nspname, '') not in ('pg_catalog', 'pg_toast', 'undrop')) as holds`;

/**
 * Does work that acquires locks. If a lock cannot be acquired in time, or another session changes the objects, the
 * attempt is rolled back, which releases all its locks, and repeated after a pause. Attempts are short. Before each of
 * the last two, the function waits for a held lock for up to `lockTimeoutMs`, while it holds no other lock.
 *
 * @param asked returns the locks that the work acquires
 * @param work acquires them first, by `takeLocks`, which sets `lock_timeout`
 * @throws UndropError `lock-timeout`, which names the sessions that hold the locks; `drop-differs`, which names the
 * objects that other sessions changed
 */
export async function withLockTries<T>(
  session: Session,
  options: Patience,
  asked: () => readonly Lock[],
  work: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  const oids = () => asked().map(({ oid }) => oid);
  const [[start], longTransactions] = await session.together([
    session.read<{ short: number; holds: boolean }>(startSql, [shortAttemptMs, options.lockTimeoutMs]),
    readLongTransactions(session, oids()),
  ]);
  const { short: ms = shortAttemptMs, holds = true } = start ?? {};
  for (const line of longTransactions) say(`${options.name}: may be blocked by ${line}`);
  let last: unknown;
  for (let number = 1; number <= options.lockTries; number++) {
    const isPatient = !holds && number > Math.max(1, options.lockTries - 2);
    const awaited = isPatient ? await findHeld(session, asked()) : undefined;
    try {
      return await session.attempt(async () => {
        if (awaited !== undefined) await waitFor(session, awaited, options.lockTimeoutMs);
        return work({ number, ms });
      });
    } catch (error) {
      if (!isContention(error)) throw error;
      last = error;
      if (number < options.lockTries) await pause(number);
    }
  }
  throw last instanceof Changed
    ? changedMeanwhile(await nameObjects(session, last.objects), options)
    : await lockTimeout(session, oids(), options);
}

/**
 * Acquires further locks within an attempt whose work so far took too long to be repeated: keeps the locks that it holds.
 *
 * @throws UndropError `lock-timeout`; LetGo and Changed, after which all is repeated
 */
export async function withMoreLocks(
  session: Session,
  options: Patience,
  oids: readonly number[],
  lock: () => Promise<void>,
): Promise<void> {
  for (let number = 1; number <= options.lockTries; number++) {
    try {
      return await session.attempt(lock);
    } catch (error) {
      if (sqlState(error) !== '55P03') throw error;
      await pause(number);
    }
  }
  throw await lockTimeout(session, oids, options);
}

/** Random, so that two sessions that wait for each other do not try again at the same time. */
function pause(number: number): Promise<void> {
  return sleep(50 * number + Math.random() * 150);
}

// The first relation, in locking order, that another session holds a lock on.
const heldSql = /* sql */ `
  select l.relation::bigint as oid
  from pg_catalog.pg_locks as l
  where l.granted and l.pid is distinct from pg_catalog.pg_backend_pid() and l.relation = any ($1)
    and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
  order by pg_catalog.array_position($1::oid[], l.relation)
  limit 1`;

async function findHeld(session: Session, locks: readonly Lock[]): Promise<Lock | undefined> {
  const [held] = await session.read<{ oid: number }>(heldSql, [locks.map(({ oid }) => oid)]);
  return locks.find(({ oid }) => oid === held?.oid);
}

// Whether a session that waits for this relation holds a lock on another one.
const behindSql = /* sql */ `
  select exists (
    select from pg_catalog.pg_locks as w
    join pg_catalog.pg_locks as h on h.pid = w.pid and h.granted and h.relation <> w.relation
    join pg_catalog.pg_class as c on c.oid = h.relation and c.relkind in ('r', 'p', 'm')
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and n.nspname not in ('pg_catalog', 'pg_toast')
    where not w.granted and w.relation = $1
      and (w.database, h.database) = (
        select d.oid, d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
  ) as holds`;

/**
 * Waits for one lock. Releases it again if a session that waits behind it holds a lock on another relation: an attempt
 * to acquire that one would fail, and the server could end the application because of a deadlock.
 */
async function waitFor(session: Session, { oid, sql }: Lock, ms: number): Promise<void> {
  try {
    await session.attempt(async () => {
      await session.run(`set local lock_timeout = ${ms}; ${sql}`);
      const [behind] = await session.read<{ holds: boolean }>(behindSql, [oid]);
      // ALTER … OWNER TO names the owner before the wait, who may have changed since: only LOCK TABLE changes nothing.
      if (behind?.holds !== false || !sql.startsWith('lock table')) throw new LetGo();
    });
  } catch (error) {
    // If the lock cannot be acquired at all, the attempt itself fails with the reason.
    if (!(error instanceof LetGo) && !isVerdict(error)) throw error;
  }
}

/** The locks are released, so that other sessions can acquire them first. */
export class LetGo extends Error {}

/** Another session has changed objects that were read under the locks. */
export class Changed extends Error {
  readonly objects: readonly ObjectKey[];

  constructor(objects: readonly ObjectKey[]) {
    super('changed meanwhile');
    this.objects = objects;
  }
}

function isContention(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const state = sqlState(error) ?? sqlState(error.cause);
  return error instanceof Changed || error instanceof LetGo || state === '55P03' || state === '40P01';
}

async function lockTimeout(
  session: Session,
  asked: readonly number[],
  options: Patience,
): Promise<UndropError> {
  const { relations, lines, next } = await readBlockers(session, asked);
  return new UndropError('lock-timeout', {
    subject: relations.join(', ') || options.name,
    message: `The locks that ${options.name} needs could not be acquired after ${attempts(options)}.`,
    reason: lines.join('\n') || 'The sessions that held them have released them since.',
    next: `Run it again when these sessions have ended, or end them with pg_terminate_backend(pid).${next}`,
  });
}

const namesSql = /* sql */ `
  select coalesce(i.type || ' ' || i.identity, 'an object that no longer exists') as name
  from pg_catalog.unnest($1::text[]) with ordinality as k (key, position)
  cross join lateral pg_catalog.pg_identify_object(
    pg_catalog.split_part(k.key, '/', 1)::oid, pg_catalog.split_part(k.key, '/', 2)::oid, 0) as i
  order by k.position`;

/** Returns the current names of objects, with their types. */
async function nameObjects(session: Session, keys: readonly ObjectKey[]): Promise<string[]> {
  const named = await session.read<{ name: string }>(namesSql, [keys]);
  return named.map(({ name }) => name);
}

function changedMeanwhile(objects: readonly string[], options: Patience): UndropError {
  return new UndropError('drop-differs', {
    subject: objects.join(', '),
    message: `Other sessions changed objects that ${options.name} drops while they were captured; gave up after ${attempts(options)}.`,
    reason: `Changed during the last attempt: ${objects.join(', ')}.`,
    next: 'Nothing was changed. Run it again when no session grants privileges on, comments on, renames or replaces these objects.',
  });
}

function attempts({ lockTries }: Patience): string {
  return `${lockTries} ${lockTries === 1 ? 'attempt' : 'attempts'}`;
}
