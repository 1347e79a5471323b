import { type Closure, type Reach, readClosure, readReach } from '../catalog/closure.ts';
import { isUndropError, isVerdict, sqlState, UndropError } from '../errors.ts';
import type { Table } from '../options/table.ts';
import type { Session } from '../session/session.ts';
import { Changed, LetGo, type Lock, type Patience, withLockTries } from './lock-retries.ts';
import type { ReadCommitted } from './second-connection.ts';
import { type Watch, watchClosure } from './watch-closure.ts';

// What DROP takes on the closure and its survivors, taken beforehand in one stable order. LOCK TABLE on a view would lock
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

/** What has been locked, and what is yet to be; and what others do that our locks do not keep from them. */
export interface Locked extends Watch {
  /** Locks the survivors, which are locked against changes of their structure only, as DROP will do. */
  lockSurvivors(): Promise<void>;
}

/**
 * Locks everything that a drop will touch, reads the closure under the locks, and does the work. The survivors can be read
 * and written until the work asks for their locks: to capture takes time, and needs no more of them than that they stay
 * what they are. A try that finds that others have changed the closure lets go of all locks and starts again.
 *
 * @param committed shows these changes; where all of the closure is of this transaction, there are none
 * @throws UndropError `lock-timeout` that names who holds the locks, `drop-differs` that names what others change,
 * `insufficient-privilege` for tables that cannot be locked; whatever `work` throws
 */
export async function lockClosure<T>(
  session: Session,
  tables: readonly Table[],
  options: Patience,
  work: (locked: Locked) => Promise<T>,
  committed: ReadCommitted = async () => new Map(),
): Promise<T> {
  const oids = tables.map(({ oid }) => oid);
  const plan = async () => {
    const reach = await readReach(session, oids);
    const [first, ofSurvivors] = await session.together([
      readLocks(session, reach),
      readSurvivorLocks(session, reach.survivors, 'access exclusive'),
      // To plan this query takes longer than to run it: not while others wait for our locks.
      committed(reach),
    ]);
    const exclusive = new Map(ofSurvivors.map((lock) => [lock.oid, lock]));
    const locks = first.map((lock) => exclusive.get(lock.oid) ?? lock);
    return { reach, first, locks };
  };
  let planned = await plan();
  return withLockTries(
    session,
    options,
    () => planned.locks,
    async ({ number, ms }) => {
      if (number > 1) planned = await plan();
      const { reach, first, locks } = planned;
      await takeLocks(session, first, ms);
      const watch = await watchClosure(reach, committed, async () => {
        const closure = await readClosure(session, oids);
        refuseGrown(closure, reach);
        refuseUnlocked(session, closure, first);
        return closure;
      });
      const locked = { ...watch, lockSurvivors: () => lockSurvivors(session, watch.closure, locks, ms) };
      return work(locked).catch((error: unknown) => throwCause(watch, error));
    },
  );
}

/** Of a refusal it may have been the cause that others changed something meanwhile: then there is another try. */
async function throwCause(watch: Watch, error: unknown): Promise<never> {
  const { cause = error } = isUndropError(error) ? error : {};
  if (isUndropError(cause) || isVerdict(cause)) {
    await watch.check(true).catch((second: unknown) => {
      if (second instanceof Changed) throw second;
    });
  }
  throw error;
}

function refuseGrown(closure: Closure, planned: Reach): void {
  const known = new Set(keysOf(planned));
  const { members, survivors } = closure;
  const grown = [
    ...members.filter(({ key }) => !known.has(key)),
    ...survivors.filter(({ oid }) => !known.has(String(oid))),
  ];
  if (grown.length > 0) throw new Changed(grown.map(({ kind, identity }) => `${kind} ${identity}`));
}

/**
 * Rows that come after they were looked for, or kept, would be lost.
 *
 * @throws UndropError `insufficient-privilege`
 */
function refuseUnlocked(session: Session, { members }: Closure, locks: readonly Lock[]): void {
  const locked = new Set(locks.map(({ oid }) => oid));
  const open = members.filter(
    ({ catalog, kind, objid, objsubid }) =>
      catalog === 'pg_class' && kind === 'table' && objsubid === 0 && !locked.has(objid),
  );
  if (open.length === 0) return;
  const names = open.map(({ identity }) => identity).join(', ');
  throw new UndropError('insufficient-privilege', {
    subject: names,
    message: `The role ${session.role} may not lock ${names}.`,
    reason:
      'They go along with the tables that are dropped, and rows that others write meanwhile would be lost.',
    next: `Run the migration as the owner, or let the owner run: grant update, delete, truncate on ${open[0]?.identity} to ${session.role}`,
  });
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
async function lockSurvivors(
  session: Session,
  { survivors }: Closure,
  locks: readonly Lock[],
  ms: number,
): Promise<void> {
  if (survivors.length === 0) return;
  const oids = survivors.map(({ oid }) => oid);
  const [circle] = await session.read<{ closed: boolean }>(circleSql, [locks.map(({ oid }) => oid), oids]);
  if (circle?.closed !== false) throw new LetGo();
  await takeLocks(
    session,
    locks.filter(({ oid }) => oids.includes(oid)),
    ms,
  );
}

/** The locks of relations that stay, as a drop or a restore of what they are tied to takes them. */
export function readSurvivorLocks(
  session: Session,
  survivors: readonly { oid: number }[],
  mode: LockMode,
): Promise<Lock[]> {
  return session.read<Lock>(locksSql, [survivors.map(({ oid }) => oid), [], mode]);
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

/** Those on what goes, and those on the survivors that let them be read and written. */
function readLocks(session: Session, { members, survivors }: Reach): Promise<Lock[]> {
  const relations = members.filter((member) => member.catalog === 'pg_class' && member.objsubid === 0);
  const own = relations.map((member) => member.objid);
  const all = [...own, ...survivors.map(({ oid }) => oid)];
  return session.read<Lock>(locksSql, [all, own, 'share update exclusive']);
}

/** Members and survivors. */
function keysOf({ members, survivors }: Reach): string[] {
  return [...members.map(({ key }) => key), ...survivors.map(({ oid }) => String(oid))];
}
