import { setTimeout as sleep } from 'node:timers/promises';
import { readBlockers } from './blockers.ts';
import { type Closure, type Reach, readClosure, readReach } from './catalog/closure.ts';
import { sqlState, UndropError } from './errors.ts';
import type { Table } from './gate.ts';
import { readLongTransactions } from './long-transactions.ts';
import type { Options } from './options.ts';
import { say } from './say.ts';
import type { Session } from './session.ts';

/** How long locks are tried for, and whose they are. */
export type Patience = Pick<Options, 'name' | 'lockTimeoutMs' | 'lockTries'>;

/** One lock to take. */
export interface Lock {
  readonly oid: number;
  readonly sql: string;
}

// What DROP takes on the closure and its hosts, taken beforehand in one stable order. LOCK TABLE on a view would lock
// its base tables, it does not take sequences, and an owner may have given up the rights that it asks for: giving an
// object the owner that it has locks just that object.
// What may not be locked here is left to DROP itself, under the same timeout and within the same try.
// https://www.postgresql.org/docs/current/sql-lock.html
const locksSql = /* sql */ `
  select c.oid::bigint as oid,
    case when c.relkind in ('r', 'p') and pg_catalog.has_table_privilege(c.oid, 'update, delete, truncate')
      then pg_catalog.format('lock table only %I.%I in %s mode', n.nspname, c.relname,
        case when c.oid = any ($2) then 'access exclusive' else $3::text end)
      else pg_catalog.format('alter %s %I.%I owner to %I',
        case c.relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view'
          else 'table only' end,
        n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner))
    end as sql
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.oid = any ($1) and n.nspname <> 'pg_toast'
    and (c.relkind in ('r', 'p') and pg_catalog.has_table_privilege(c.oid, 'update, delete, truncate')
      or c.relkind in ('r', 'p', 'S', 'v', 'm') and c.oid = any ($2)
        and pg_catalog.pg_has_role(c.relowner, 'usage'))
  order by c.oid`;

/** Modes of LOCK TABLE. https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES */
export type LockMode = 'access exclusive' | 'share row exclusive' | 'share update exclusive';

/** What has been locked, and what is yet to be. */
export interface Locked {
  readonly closure: Closure;
  /** Locks the hosts, which are locked against changes of their structure only, as DROP will do. */
  lockHosts(): Promise<void>;
}

/**
 * Locks everything that a drop will touch, reads the closure under the locks, and does the work. The hosts can be read
 * and written until the work asks for their locks: to capture takes time, and needs no more of them than that they stay
 * what they are. A try that finds that the closure has grown since it was planned lets go of all locks and starts again.
 *
 * @throws UndropError `lock-timeout` that names who holds the locks; whatever `work` throws
 */
export async function lockClosure<T>(
  session: Session,
  tables: readonly Table[],
  options: Patience,
  work: (locked: Locked) => Promise<T>,
): Promise<T> {
  const oids = tables.map(({ oid }) => oid);
  const plan = async () => {
    const reach = await readReach(session, oids);
    const [first, ofHosts] = await session.together([
      readLocks(session, reach),
      readHostLocks(session, reach.hosts, 'access exclusive'),
    ]);
    const exclusive = new Map(ofHosts.map((lock) => [lock.oid, lock]));
    const locks = first.map((lock) => exclusive.get(lock.oid) ?? lock);
    return { keys: new Set(keysOf(reach)), first, locks };
  };
  let planned = await plan();
  return withLockTries(
    session,
    options,
    () => planned.locks,
    async ({ number, ms }) => {
      if (number > 1) planned = await plan();
      await takeLocks(session, planned.first, ms);
      const closure = await readClosure(session, oids);
      if (keysOf(closure).some((key) => !planned.keys.has(key))) throw new ClosureGrew();
      return work({ closure, lockHosts: () => lockHosts(session, closure, planned.locks, ms) });
    },
  );
}

// Who waits for what is locked already, and has what is yet to be locked.
const circleSql = /* sql */ `
  select exists (
    select from pg_catalog.pg_locks as w
    join pg_catalog.pg_locks as h on h.pid = w.pid and h.granted and h.relation = any ($2)
    where not w.granted and w.relation = any ($1)
      and (w.database, h.database) = (
        select d.oid, d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())) as closed`;

/**
 * Waits for no one who waits for us: the server could end them for it, if they have waited long enough meanwhile. Who
 * comes to wait later looks for circles only when this is over.
 */
async function lockHosts(
  session: Session,
  { hosts }: Closure,
  locks: readonly Lock[],
  ms: number,
): Promise<void> {
  if (hosts.length === 0) return;
  const oids = hosts.map(({ oid }) => oid);
  const [circle] = await session.read<{ closed: boolean }>(circleSql, [locks.map(({ oid }) => oid), oids]);
  if (circle?.closed !== false) throw new LetGo();
  await takeLocks(
    session,
    locks.filter(({ oid }) => oids.includes(oid)),
    ms,
  );
}

/** The locks of relations that stay, as a drop or a restore of what they are tied to takes them. */
export function readHostLocks(
  session: Session,
  hosts: readonly { oid: number }[],
  mode: LockMode,
): Promise<Lock[]> {
  return session.read<Lock>(locksSql, [hosts.map(({ oid }) => oid), [], mode]);
}

/** Takes the locks in their order, all within the time of one try. */
export async function takeLocks(session: Session, locks: readonly Lock[], ms: number): Promise<void> {
  if (await takeFreeLocks(session, locks, ms)) return;
  const end = performance.now() + ms;
  for (const { sql } of locks) {
    const left = Math.max(1, Math.round(end - performance.now()));
    await session.run(`set local lock_timeout = ${left}; ${sql}`);
  }
  await session.run(`set local lock_timeout = ${ms}`);
}

/** Mostly nobody holds them: then all are taken in one message, and without waiting. */
async function takeFreeLocks(session: Session, locks: readonly Lock[], ms: number): Promise<boolean> {
  const timeout = (time: number) => `set local lock_timeout = ${time}`;
  try {
    await session.attemptRun([timeout(1), ...locks.map(({ sql }) => sql), timeout(ms)].join('; '));
    return true;
  } catch (error) {
    if (sqlState(error) === '55P03') return false;
    throw error;
  }
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
 * Does work that waits for locks. A try in which one is not to be had in time is taken back, with all its locks, and
 * made again after a pause. Tries are short; before the last two, the lock that was not to be had is waited for longer,
 * while no other is held.
 *
 * @param asked the locks that it may have failed at
 * @throws UndropError `lock-timeout` that names who holds the locks
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
      if (number < options.lockTries) await sleep(50 * number + Math.random() * 150);
    }
  }
  throw await lockTimeout(session, oids(), options);
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
class LetGo extends Error {}

/** Another session added to the closure between the plan and the locks. */
class ClosureGrew extends Error {}

function isContention(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const state = sqlState(error) ?? sqlState(error.cause);
  return error instanceof ClosureGrew || error instanceof LetGo || state === '55P03' || state === '40P01';
}

/** Those on what goes, and those on the hosts that let them be read and written. */
function readLocks(session: Session, { members, hosts }: Reach): Promise<Lock[]> {
  const relations = members.filter((member) => member.catalog === 'pg_class' && member.objsubid === 0);
  const own = relations.map((member) => member.objid);
  const all = [...own, ...hosts.map(({ oid }) => oid)];
  return session.read<Lock>(locksSql, [all, own, 'share update exclusive']);
}

/** Members and hosts. */
function keysOf({ members, hosts }: Reach): string[] {
  return [...members.map(({ key }) => key), ...hosts.map(({ oid }) => String(oid))];
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
