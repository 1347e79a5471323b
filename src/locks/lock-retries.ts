import { setTimeout as sleep } from 'node:timers/promises';
import { sqlState, UndropError } from '../errors.ts';
import type { Options } from '../options/options.ts';
import type { Session } from '../session/session.ts';
import { say } from '../text/log.ts';
import { readBlockers, readLongTransactions } from './blockers.ts';

/** How long locks are tried for, and whose they are. */
export type Patience = Pick<Options, 'name' | 'lockTimeoutMs' | 'lockTries'>;

/** One lock to take. */
export interface Lock {
  readonly oid: number;
  readonly sql: string;
}

/** One attempt at all the locks. */
export interface Try {
  /** From 1. */
  readonly number: number;
  /** How long it may wait, in milliseconds. */
  readonly ms: number;
}

// Long enough for short queries to end, and over before the server looks for circles: an application that waits for us
// while we wait for it is never found in one, and so never ended.
const shortTryMs = 300;

// Others may have to wait for locks of a migration before, in the same transaction, on tables that are gone too.
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
 * Does work that waits for locks. A try in which one is not to be had in time, or which others have disturbed, is taken
 * back, with all its locks, and made again after a pause. Tries are short; before the last two, the lock that was not to
 * be had is waited for longer, while no other is held.
 *
 * @param asked the locks that it may have failed at
 * @throws UndropError `lock-timeout` that names who holds the locks, `drop-differs` that names what others have changed
 */
export async function withLockTries<T>(
  session: Session,
  options: Patience,
  asked: () => readonly Lock[],
  work: (one: Try) => Promise<T>,
): Promise<T> {
  const oids = () => asked().map(({ oid }) => oid);
  const [[start], inTheWay] = await session.together([
    session.read<{ short: number; holds: boolean }>(startSql, [shortTryMs, options.lockTimeoutMs]),
    readLongTransactions(session, oids()),
  ]);
  const { short: ms = shortTryMs, holds = true } = start ?? {};
  for (const line of inTheWay) say(`${options.name}: in the way is ${line}`);
  let last: unknown;
  for (let number = 1; number <= options.lockTries; number++) {
    const isPatient = !holds && number > Math.max(1, options.lockTries - 2);
    const awaited = isPatient ? await findHeld(session, asked()) : undefined;
    try {
      return await session.attempt(async () => {
        if (awaited !== undefined) await waitFor(session, awaited, options.lockTimeoutMs);
        await session.run(`set local lock_timeout = ${ms}`);
        return work({ number, ms });
      });
    } catch (error) {
      if (!isContention(error)) throw error;
      last = error;
      if (number < options.lockTries) await sleep(50 * number + Math.random() * 150);
    }
  }
  throw last instanceof Changed
    ? changedMeanwhile(last.objects, options)
    : await lockTimeout(session, oids(), options);
}

// The first in the order of locking, as another session holds it now.
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

// Who waits for this relation, and holds another.
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
 * Waits for one lock, and keeps it unless somebody who has come to wait behind it holds another one: a try for that would
 * be in vain while this is held, and the server could find a circle in it and end the application.
 */
async function waitFor(session: Session, { oid, sql }: Lock, ms: number): Promise<void> {
  try {
    await session.attempt(async () => {
      await session.run(`set local lock_timeout = ${ms}; ${sql}`);
      const [behind] = await session.read<{ holds: boolean }>(behindSql, [oid]);
      if (behind?.holds !== false) throw new LetGo();
    });
  } catch (error) {
    if (!(error instanceof LetGo)) throw error;
  }
}

/** Others shall have the lock first. */
export class LetGo extends Error {}

/** Another session has changed what was read under the locks. */
export class Changed extends Error {
  /** Names of the objects, with their kinds. */
  readonly objects: readonly string[];

  constructor(objects: readonly string[]) {
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
  const { relations, lines } = await readBlockers(session, asked);
  return new UndropError('lock-timeout', {
    subject: relations.join(', ') || options.name,
    message: `The locks that ${options.name} needs were not to be had in ${options.lockTries} tries.`,
    reason: lines.join('\n') || 'Whoever held them has let go since.',
    next: 'Run it again when these sessions have ended, or end them with pg_terminate_backend(pid).',
  });
}

function changedMeanwhile(objects: readonly string[], { name, lockTries }: Patience): UndropError {
  return new UndropError('drop-differs', {
    subject: objects.join(', '),
    message: `Other sessions have changed what ${name} drops while it was captured, in ${lockTries === 1 ? '1 try' : `each of ${lockTries} tries`}.`,
    reason: `Changed in the last one: ${objects.join(', ')}.`,
    next: 'Nothing was changed. Run it again when nobody grants, comments on, renames or replaces anything of these.',
  });
}
