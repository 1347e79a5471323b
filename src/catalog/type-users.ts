import type { Session } from '../session/session.ts';
import { type Closure, lostAttributes } from './closure.ts';
import type { Obstacle } from './obstacle.ts';

// An attribute that is dropped and added again has a new number. Values and expression trees contain attributes by number, so
// nothing may hold any. A composite type holds none itself, and neither does a function whose body is text, unless something
// else depends on the function.
const usersSql = /* sql */ `
  with recursive types (relation, type) as (
    select c.oid, y.oid
    from pg_catalog.pg_class as c
    join pg_catalog.pg_type as t on t.oid = c.reltype
    cross join lateral (values (t.oid), (t.typarray)) as y (oid)
    where c.oid = any ($1::oid[])
    union
    -- composite types that contain the type
    select t.relation, y.oid
    from types as t
    join pg_catalog.pg_depend as d on d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.refobjid = t.type
    join pg_catalog.pg_class as c
      on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objsubid > 0 and c.oid = d.objid and c.relkind = 'c'
    join pg_catalog.pg_type as o on o.oid = c.reltype
    cross join lateral (values (o.oid), (o.typarray)) as y (oid)
  ),
  direct as (
    select t.relation, d.classid, d.objid, d.objsubid
    from types as t
    join pg_catalog.pg_depend as d on d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.refobjid = t.type
    where (d.classid, d.objid) not in (
        select c.tableoid, c.oid from pg_catalog.pg_class as c where c.relkind = 'c' and c.reltype in (select o.type from types as o))
      and (d.classid, d.objid) not in (select 'pg_catalog.pg_type'::pg_catalog.regclass::oid, o.type from types as o)
    union
    select t.relation, d.classid, d.objid, d.objsubid
    from types as t
    join pg_catalog.pg_depend as d
      on d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = t.relation and d.refobjsubid > 0
  ),
  users as (
    select d.* from direct as d
    where d.classid <> 'pg_catalog.pg_proc'::pg_catalog.regclass
      or exists (
        select from pg_catalog.pg_proc as p
        where p.oid = d.objid and (p.prosqlbody is not null
          -- the OID of the type in the expression tree of a default
          or exists (select from types as t
            where t.relation = d.relation and p.proargdefaults::text like '% ' || t.type || ' %')))
    union
    select d.relation, u.classid, u.objid, u.objsubid
    from direct as d
    join pg_catalog.pg_depend as u on u.refclassid = d.classid and u.refobjid = d.objid
    where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
  )
  select u.relation::bigint as relation,
    pg_catalog.string_agg(distinct i.type || ' ' || i.identity, ', ' order by i.type || ' ' || i.identity) as users
  from users as u
  cross join lateral pg_catalog.pg_identify_object(u.classid, u.objid, u.objsubid) as i
  where (u.classid, u.objid) not in (select m.classid, m.objid from unnest($2::oid[], $3::oid[]) as m (classid, objid))
  group by u.relation
  order by u.relation`;

interface Users {
  relation: number;
  users: string;
}

/**
 * Reads which objects may hold values of some composite types. Empty for types that are used only by functions whose body is
 * text.
 *
 * @param relations the OIDs of the types in pg_class
 * @param members objects that are left out
 */
export function readTypeUsers(
  session: Session,
  relations: readonly number[],
  members: Closure['members'] = [],
): Promise<Users[]> {
  const others = members.filter(({ objsubid }) => objsubid === 0);
  return session.read<Users>(usersSql, [
    relations,
    others.map(({ classid }) => classid),
    others.map(({ objid }) => objid),
  ]);
}

/** Finds attributes of composite types that cannot be added again. */
export async function findLostAttributes(session: Session, closure: Closure): Promise<Obstacle[]> {
  const lost = lostAttributes(closure);
  if (lost.length === 0) return [];
  const found = await readTypeUsers(
    session,
    lost.map(({ objid }) => objid),
    closure.members,
  );
  const users = new Map(found.map((row) => [row.relation, row.users]));
  return lost.flatMap(({ objid, identity }) => {
    const used = users.get(objid);
    return used === undefined
      ? []
      : [{ identity, reason: `the attribute belongs to a type that stays and is used by ${used}` }];
  });
}
