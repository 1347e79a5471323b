import type { DatabaseError } from 'pg';
import { isVerdict, UndropError } from '../errors.ts';
import type { Session } from './session.ts';

// A transaction that changes rows holds this lock on their table until its end. Other tables have no pending trigger
// events.
const changedSql = /* sql */ `
  select distinct l.relation::bigint as oid
  from pg_catalog.pg_locks as l
  join pg_catalog.pg_trigger as g on g.tgrelid = l.relation and g.tgdeferrable
  where l.pid = pg_catalog.pg_backend_pid() and l.locktype = 'relation' and l.mode = 'RowExclusiveLock'
    and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())`;

// SET CONSTRAINTS applies to all constraints of the schema with that name. Names are left out if a constraint of
// another table has the same name, or if the constraints of that name are declared with different modes.
const namesSql = /* sql */ `
  select pg_catalog.format('%I.%I', n.nspname, k.conname) as name, pg_catalog.bool_or(k.condeferred) as deferred
  from pg_catalog.pg_constraint as k
  join pg_catalog.pg_namespace as n on n.oid = k.connamespace
  cross join lateral (
    select pg_catalog.count(*) filter (where g.tgrelid = any ($1)) > 0 as concerned
    from pg_catalog.pg_trigger as g where g.tgconstraint = k.oid and g.tgdeferrable
  ) as g
  where (k.connamespace, k.conname) in (
    select c.connamespace, c.conname
    from pg_catalog.pg_trigger as t
    join pg_catalog.pg_constraint as c on c.oid = t.tgconstraint
    where t.tgrelid = any ($1) and t.tgdeferrable)
  group by n.nspname, k.conname
  having pg_catalog.bool_and(g.concerned or not k.condeferrable)
    and pg_catalog.bool_and(k.condeferred) = pg_catalog.bool_or(k.condeferred)
  order by 1`;

/**
 * Checks deferred constraints and triggers of some relations now, instead of at commit: PostgreSQL neither drops nor
 * alters a table with pending trigger events. Does nothing unless this transaction has changed rows of these relations.
 * The checks run with the settings that the session had before, as at commit. Afterwards the constraints have the mode
 * that they are declared with, because a mode set by SET CONSTRAINTS cannot be read.
 * https://www.postgresql.org/docs/current/sql-set-constraints.html
 *
 * @param purpose what the checks must precede, for the message
 * @param find returns the OIDs of the relations
 * @throws UndropError `server-error` if a check fails
 */
export async function checkDeferred(
  session: Session,
  purpose: string,
  find: () => Promise<readonly number[]>,
): Promise<void> {
  const changed = await session.read<{ oid: number }>(changedSql);
  if (changed.length === 0) return;
  const relations = await find();
  if (!changed.some(({ oid }) => relations.includes(oid))) return;
  const found = await session.read<{ name: string; deferred: boolean }>(namesSql, [relations]);
  if (found.length === 0) return;
  const names = found.map(({ name }) => name).join(', ');
  const deferred = found.filter((constraint) => constraint.deferred).map(({ name }) => name);
  const back = deferred.length === 0 ? '' : `; set constraints ${deferred.join(', ')} deferred`;
  try {
    await session.attempt(() => session.asFound(`set constraints ${names} immediate${back}`));
  } catch (error) {
    throw isVerdict(error) ? failed(error as DatabaseError, names, purpose) : error;
  }
}

function failed(error: DatabaseError, names: string, purpose: string): UndropError {
  const { message, detail, where, constraint, table } = error;
  const which =
    constraint === undefined ? names : `${constraint}${table === undefined ? '' : ` of ${table}`}`;
  return new UndropError('server-error', {
    subject: which,
    message: `A deferred constraint or trigger failed when it was checked before ${purpose}: ${which}.`,
    reason: [message, detail, where].filter((line) => line !== undefined).join('\n'),
    next: 'Nothing was changed. The error comes from earlier changes in this transaction: correct them.',
    cause: error,
  });
}
