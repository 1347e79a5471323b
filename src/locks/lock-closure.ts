import { type Closure, keyOf, type Reach, readClosure, readReach } from '../catalog/closure.ts';
import { changedBetween } from '../catalog/facts/row-versions.ts';
import { isUndropError, isVerdict, sqlState, UndropError } from '../errors.ts';
import type { Table } from '../options/table.ts';
import type { Session } from '../session/session.ts';
import { Changed, LetGo, type Lock, type Patience, withLockTries, withMoreLocks } from './lock-retries.ts';
import type { ReadCommitted } from './second-connection.ts';
import { committedVersions, refuseChanged, type Watch, watchClosure } from './watch-closure.ts';

// The locks that DROP acquires on the closure and its survivors, acquired beforehand in one stable order. LOCK TABLE on
// a view would lock its base tables, does not accept sequences, and requires privileges that an owner may have revoked:
// ALTER ... OWNER TO the current owner locks exactly that object. Objects that the role may not lock here are locked by
// DROP itself, under the same timeout and within the same attempt.
// https://www.postgresql.org/docs/current/sql-lock.html
const locksSql = /* sql */ `
  select c.oid::bigint as oid,
    case when c.relkind in ('r', 'p') and pg_catalog.has_table_privilege(c.oid, 'update, delete, truncate')
      then pg_catalog.format('lock table only %I.%I in %s mode', n.nspname, c.relname,
        case when c.oid in (select pg_catalog.unnest($2::oid[])) then 'access exclusive' else $3::text end)
      else pg_catalog.format('alter %s %I.%I owner to %I',
        case c.relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view'
          else 'table only' end,
        n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner))
    end as sql
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.oid = any ($1) and n.nspname <> 'pg_toast'
    and (c.relkind in ('r', 'p') and pg_catalog.has_table_privilege(c.oid, 'update, delete, truncate')
      or c.relkind in ('r', 'p', 'S', 'v', 'm') and c.oid in (select pg_catalog.unnest($2::oid[]))
        and pg_catalog.pg_has_role(c.relowner, 'usage'))
  order by c.oid`;

/** Modes of LOCK TABLE. https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES */
export type LockMode = 'access exclusive' | 'share row exclusive' | 'share update exclusive';

/**
 * A locked closure whose survivors may still have to be locked. It is watched for changes that the locks do not
 * prevent.
 */
export interface Locked extends Watch {
  /**
   * Locks the survivors as DROP will do; until then they are locked only against changes of their structure.
   *
   * @param isLate whether the work so far took long, so that it is not repeated where a lock cannot be acquired at once
   */
  lockSurvivors(isLate?: boolean): Promise<void>;
}

/**
 * Locks all objects that a drop affects, reads the closure under the locks, and does the work. Other sessions can read
 * and write the survivors until the work locks them: a capture takes time, and only needs their structure to stay the
 * same. If another session has changed the closure, the attempt releases all locks and starts again.
 *
 * @param committed reads committed data; not needed if there are no other sessions, or this transaction created the tables
 * @throws UndropError `lock-timeout`, which names the sessions that hold the locks; `drop-differs`, which names the
 * objects that other sessions changed; `missing-table` for tables that another session renamed; `insufficient-privilege`
 * for tables that cannot be locked; whatever `work` throws
 */
export async function lockClosure<T>(
  session: Session,
  tables: readonly Table[],
  options: Patience,
  work: (locked: Locked) => Promise<T>,
  committed?: ReadCommitted,
): Promise<T> {
  const oids = tables.map(({ oid }) => oid);
  const plan = async () => {
    const reach = await readReach(session, oids);
    // Planning this query takes longer than running it, so it is planned before other sessions wait for the locks.
    const versions = await committedVersions(committed, reach);
    const [first, ofSurvivors] = await session.together([
      readLocks(session, reach),
      readSurvivorLocks(session, reach.survivors, 'access exclusive'),
    ]);
    const exclusive = new Map(ofSurvivors.map((lock) => [lock.oid, lock]));
    const locks = first.map((lock) => exclusive.get(lock.oid) ?? lock);
    return { reach, versions, first, locks };
  };
  let planned = await plan();
  return withLockTries(
    session,
    options,
    () => planned.locks,
    async ({ number, ms }) => {
      if (number > 1) planned = await plan();
      const { reach, versions, first, locks } = planned;
      // The locks name objects and owners. If an owner has changed since, such a lock would undo that change.
      const check = async () =>
        refuseChanged(changedBetween(versions, await committedVersions(committed, reach)));
      await takeLocks(session, first, ms).catch((error: unknown) => throwCause(check, error));
      const read = async () => {
        await refuseRenamed(session, tables);
        const closure = await readClosure(session, oids);
        refuseGrown(closure, reach);
        refuseUnlocked(session, closure, first);
        return closure;
      };
      // The check reads on the second connection meanwhile.
      const [watch] = await session.together([watchClosure(reach, versions, committed, read), check()]);
      const survivors = watch.closure.survivors.map(({ oid }) => oid);
      const lock = () => lockSurvivors(session, watch.closure, locks, ms);
      const locked = {
        ...watch,
        lockSurvivors: (isLate = false) =>
          isLate ? withMoreLocks(session, options, survivors, lock) : lock(),
      };
      return work(locked).catch((error: unknown) => throwCause(watch.check, error));
    },
  );
}

/** Throws `Changed`, which leads to another attempt, if a change by another session may have caused the error. */
async function throwCause(check: () => Promise<void>, error: unknown): Promise<never> {
  const { cause = error } = isUndropError(error) ? error : {};
  if (isUndropError(cause) || isVerdict(cause)) {
    await check().catch((second: unknown) => {
      if (second instanceof Changed) throw second;
    });
  }
  throw error;
}

// The server prints objects from its caches, and only processes invalidations when it acquires a lock. The catalogs and the
// relations are locked already, so this locks an object that is not a relation.
// https://www.postgresql.org/docs/current/functions-info.html (pg_get_object_address)
const renamedSql = /* sql */ `
  select pg_catalog.pg_get_object_address('schema', array['pg_catalog'], array[]::text[]) as fresh, array(
    select t.name
    from unnest($1::text[], $2::oid[]) with ordinality as t (name, oid, position)
    where pg_catalog.to_regclass(t.name) is distinct from t.oid
    order by t.position) as renamed`;

/** @throws UndropError `missing-table` */
async function refuseRenamed(session: Session, tables: readonly Table[]): Promise<void> {
  const [names, oids] = [tables.map(({ sql }) => sql), tables.map(({ oid }) => oid)];
  const [row] = await session.read<{ renamed: string[] }>(renamedSql, [names, oids]);
  const { renamed = names } = row ?? {};
  if (renamed.length === 0) return;
  const subject = renamed.join(', ');
  throw new UndropError('missing-table', {
    subject,
    message: `${subject} no longer ${renamed.length === 1 ? 'exists' : 'exist'}.`,
    reason: 'Another session has dropped or renamed them since they were looked up.',
    next: 'Nothing was changed. Correct the names, or run it again.',
  });
}

/** @throws Changed if the closure has objects that the locks were not planned for */
function refuseGrown({ members, survivors }: Closure, planned: Reach): void {
  const known = new Set(planned.members.map(({ key }) => key));
  const knownSurvivors = new Set(planned.survivors.map(({ oid }) => oid));
  refuseChanged([
    ...members.map(({ key }) => key).filter((key) => !known.has(key)),
    ...survivors.filter(({ oid }) => !knownSurvivors.has(oid)).map(({ oid }) => keyOf(pgClass, oid)),
  ]);
}

// The OID of pg_class, which is the same in every database.
const pgClass = 1259;

/**
 * Refuses tables that are not locked: rows inserted after the check for rows, or after the copy, would be lost.
 *
 * @throws UndropError `insufficient-privilege`
 */
function refuseUnlocked(session: Session, { members }: Closure, locks: readonly Lock[]): void {
  const locked = new Set(locks.map(({ oid }) => oid));
  const unlocked = members.filter(({ kind, objid }) => kind === 'table' && !locked.has(objid));
  if (unlocked.length === 0) return;
  const names = unlocked.map(({ identity }) => identity).join(', ');
  throw new UndropError('insufficient-privilege', {
    subject: names,
    message: `The role ${session.role} may not lock ${names}.`,
    reason: 'The drop removes them too, and rows that other sessions write in the meantime would be lost.',
    next: `Run the migration as the owner, or let the owner run: grant update, delete, truncate on ${unlocked[0]?.identity} to ${session.role}`,
  });
}

// Whether a session waits for a relation that is locked already ($1) and holds a lock on one that is not locked yet
// ($2).
const circleSql = /* sql */ `
  select exists (
    select from pg_catalog.pg_locks as w
    join pg_catalog.pg_locks as h on h.pid = w.pid and h.granted and h.relation = any ($2)
    where not w.granted and w.relation = any ($1)
      and (w.database, h.database) = (
        select d.oid, d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())) as closed`;

/**
 * Does not wait for a session that waits for this one: the server could end that session because of a deadlock. A
 * session that starts to wait later checks for deadlocks only after this attempt has ended.
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

/** Returns the locks that a drop or a restore acquires on survivors. */
export function readSurvivorLocks(
  session: Session,
  survivors: readonly { oid: number }[],
  mode: LockMode,
): Promise<Lock[]> {
  return session.read<Lock>(locksSql, [survivors.map(({ oid }) => oid), [], mode]);
}

/** Acquires the locks in their order, all within `ms` milliseconds. */
export async function takeLocks(session: Session, locks: readonly Lock[], ms: number): Promise<void> {
  if (await takeFreeLocks(session, locks, ms)) return;
  const end = performance.now() + ms;
  for (const { sql } of locks) {
    const left = Math.max(1, Math.round(end - performance.now()));
    await session.run(`set local lock_timeout = ${left}; ${sql}`);
  }
  await session.run(`set local lock_timeout = ${ms}`);
}

/** Acquires all locks in one message, without waiting. Returns false if another session holds one of them. */
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

/** Returns the locks on the objects to be dropped, and locks on the survivors that still allow reads and writes. */
function readLocks(session: Session, { members, survivors }: Reach): Promise<Lock[]> {
  const relations = members.filter((member) => member.catalog === 'pg_class' && member.objsubid === 0);
  const own = relations.map((member) => member.objid);
  const all = [...own, ...survivors.map(({ oid }) => oid)];
  return session.read<Lock>(locksSql, [all, own, 'share update exclusive']);
}
