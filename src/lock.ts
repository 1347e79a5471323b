import { setTimeout as sleep } from 'node:timers/promises';
import { readBlockers } from './blockers.ts';
import { type Closure, readClosure } from './catalog/closure.ts';
import { sqlState, UndropError } from './errors.ts';
import type { Table } from './gate.ts';
import type { Options } from './options.ts';
import type { Session } from './session.ts';

/** How long locks are tried for, and whose they are. */
export type Patience = Pick<Options, 'name' | 'lockTimeoutMs' | 'lockTries'>;

interface Lock {
  oid: number;
  identity: string;
  sql: string;
}

// What DROP takes on the closure and its hosts, taken beforehand in one stable order. LOCK TABLE on a view would lock
// its base tables, it does not take sequences, and an owner may have given up the rights that it asks for: giving an
// object the owner that it has locks just that object.
// What may not be locked here is left to DROP itself, under the same timeout.
// https://www.postgresql.org/docs/current/sql-lock.html
const locksSql = /* sql */ `
  select c.oid::bigint as oid, pg_catalog.format('%I.%I', n.nspname, c.relname) as identity,
    case when c.relkind in ('r', 'p') and pg_catalog.has_table_privilege(c.oid, 'update, delete, truncate')
      then pg_catalog.format('lock table only %I.%I in access exclusive mode', n.nspname, c.relname)
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

// Shorter than deadlock_timeout, so that no application is made its victim.
const shortTryMs = 300;

/**
 * Locks everything that the drop will touch, and reads the closure under the locks. A try that finds that the closure
 * has grown since it was planned lets go of all locks and starts again.
 *
 * @throws UndropError `lock-timeout` that names who holds the locks
 */
export async function lockClosure(
  session: Session,
  tables: readonly Table[],
  options: Patience,
): Promise<Closure> {
  const oids = tables.map(({ oid }) => oid);
  let asked: readonly number[] = [];
  return withLockTries(
    session,
    options,
    () => asked,
    async () => {
      const plan = await readClosure(session, oids);
      const locks = await readLocks(session, plan);
      asked = locks.map(({ oid }) => oid);
      for (const { sql } of locks) await session.run(sql);
      const closure = await readClosure(session, oids);
      if (!covers(plan, closure)) throw new ClosureGrew();
      return closure;
    },
  );
}

/** Locks relations that stay as a drop of what they are tied to will lock them, so far as this role may. */
export async function lockHosts(session: Session, hosts: readonly { oid: number }[]): Promise<void> {
  const locks = await session.read<Lock>(locksSql, [hosts.map(({ oid }) => oid), []]);
  for (const { sql } of locks) await session.run(sql);
}

/**
 * Does work that waits for locks. A try in which one is not to be had in time is taken back, with all its locks, and
 * made again after a pause; short tries come first.
 *
 * @param asked the relations whose locks it may have failed at
 * @throws UndropError `lock-timeout` that names who holds the locks
 */
export async function withLockTries<T>(
  session: Session,
  options: Patience,
  asked: () => readonly number[],
  work: () => Promise<T>,
): Promise<T> {
  for (let tries = 1; tries <= options.lockTries; tries++) {
    const last = tries > options.lockTries - 2;
    const timeout = last ? options.lockTimeoutMs : Math.min(shortTryMs, options.lockTimeoutMs);
    await session.run(`set local lock_timeout = ${timeout}`);
    try {
      return await session.attempt(work);
    } catch (error) {
      if (!isContention(error)) throw error;
      if (tries < options.lockTries) await sleep(50 * tries + Math.random() * 150);
    }
  }
  throw await lockTimeout(session, asked(), options);
}

/** Another session added to the closure between the plan and the locks. */
class ClosureGrew extends Error {}

function isContention(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const state = sqlState(error) ?? sqlState(error.cause);
  return error instanceof ClosureGrew || state === '55P03' || state === '40P01';
}

function readLocks(session: Session, closure: Closure): Promise<Lock[]> {
  const relations = closure.members.filter(
    (member) => member.catalog === 'pg_class' && member.objsubid === 0,
  );
  const own = relations.map((member) => member.objid);
  const hosts = closure.hosts.map((host) => host.oid);
  return session.read<Lock>(locksSql, [[...own, ...hosts], own]);
}

function covers(plan: Closure, closure: Closure): boolean {
  const planned = new Set([
    ...plan.members.map(({ key }) => key),
    ...plan.hosts.map(({ oid }) => String(oid)),
  ]);
  return (
    closure.members.every(({ key }) => planned.has(key)) &&
    closure.hosts.every(({ oid }) => planned.has(String(oid)))
  );
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
