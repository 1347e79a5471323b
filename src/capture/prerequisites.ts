import type { Closure } from '../catalog/closure.ts';
import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';

/** An object outside the closure that it depends on, in the form that `pg_get_object_address` accepts. */
export interface Prerequisite {
  readonly type: string;
  readonly names: readonly string[];
  readonly args: readonly string[];
  readonly identity: string;
  /** Catalog and OID of the object; missing in entries of older versions. */
  readonly catalog?: string;
  readonly oid?: number;
  /** The number of a column, or 0. */
  readonly column?: number;
}

// The objects outside the closure that a member depends on: schemas, types, functions, referenced tables and their
// keys, and roles. https://www.postgresql.org/docs/current/functions-info.html (pg_identify_object_as_address)
const prerequisitesSql = /* sql */ `
  with members as (
    select m.classid, m.objid from unnest($1::oid[], $2::oid[]) as m (classid, objid)
  ),
  needed as (
    select d.refclassid as classid, d.refobjid as objid, d.refobjsubid as objsubid
    from members as m
    join pg_catalog.pg_depend as d on d.classid = m.classid and d.objid = m.objid
    union
    select s.refclassid, s.refobjid, 0
    from members as m
    join pg_catalog.pg_shdepend as s on s.classid = m.classid and s.objid = m.objid
    where s.dbid = (select b.oid from pg_catalog.pg_database as b where b.datname = pg_catalog.current_database())
  )
  select
    -- columns of views can be looked up too, but not under their own name
    case when a.type like '% column' then 'table column' else a.type end as type, a.object_names as names, a.object_args as args, i.type || ' ' || i.identity as identity,
    (select c.relname from pg_catalog.pg_class as c where c.oid = n.classid) as catalog, n.objid::bigint as oid,
    n.objsubid as column
  from needed as n
  cross join lateral pg_catalog.pg_identify_object_as_address(n.classid, n.objid, n.objsubid) as a
  cross join lateral pg_catalog.pg_identify_object(n.classid, n.objid, n.objsubid) as i
  where not exists (select from members as m where m.classid = n.classid and m.objid = n.objid)
  order by identity`;

/** Reads the objects that must exist when the closure is restored. */
export function readPrerequisites(session: Session, closure: Closure): Promise<Prerequisite[]> {
  return session.read<Prerequisite>(prerequisitesSql, [
    closure.members.map((member) => member.classid),
    closure.members.map((member) => member.objid),
  ]);
}

const addressSql = /* sql */ `
  select pg_catalog.count(a.objid)::int as found
  from pg_catalog.jsonb_to_recordset($1::jsonb) as p (type text, names text[], args text[])
  cross join lateral pg_catalog.pg_get_object_address(p.type, p.names, p.args) as a`;

/**
 * Checks that all prerequisites exist.
 *
 * @throws UndropError `prerequisite-gone`, which names those that do not exist
 */
export async function checkPrerequisites(
  session: Session,
  prerequisites: readonly Prerequisite[],
): Promise<void> {
  if (await allExist(session, prerequisites)) return;
  const missing: string[] = [];
  for (const prerequisite of prerequisites) {
    if (!(await allExist(session, [prerequisite]))) missing.push(prerequisite.identity);
  }
  throw new UndropError('prerequisite-gone', {
    subject: missing.join(', '),
    message: 'The tables cannot be restored, because they depend on objects that no longer exist.',
    reason: missing.join('\n'),
    next: 'Recreate these objects under their names, then run it again.',
  });
}

/** Returns false if the server reports that an object does not exist; rethrows any other error. */
async function allExist(session: Session, prerequisites: readonly Prerequisite[]): Promise<boolean> {
  try {
    await session.attempt(() => session.read(addressSql, [JSON.stringify(prerequisites)]));
    return true;
  } catch (error) {
    // Class 42: an undefined object; 3F000 and 3D000: a schema or database that does not exist.
    const state = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (/^(42704|42P01|42703|42883|3F000|3D000)$/.test(state)) return false;
    throw error;
  }
}
