import type { Session } from '../session/session.ts';
import { type Closure, membersIn } from './closure.ts';
import type { Obstacle } from './obstacle.ts';

// SET ROLE checks the privileges of the session user, OWNER TO those of the current user.
// https://www.postgresql.org/docs/current/functions-info.html (pg_has_role)
const rolesSql = /* sql */ `
  with objects as (
    select c.tableoid as classid, c.oid as objid, c.relowner as owner, c.relacl as acl, true as whole
    from pg_catalog.pg_class as c
    where c.oid = any ($1::oid[]) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select c.tableoid, c.oid, c.relowner, a.attacl, false
    from pg_catalog.pg_attribute as a
    join pg_catalog.pg_class as c on c.oid = a.attrelid
    where a.attrelid = any ($1::oid[]) and a.attacl is not null
    union all
    -- the row type of a table has the owner of the table
    select t.tableoid, t.oid, t.typowner, t.typacl, t.typtype in ('d', 'r') from pg_catalog.pg_type as t where t.oid = any ($2::oid[])
    union all
    select p.tableoid, p.oid, p.proowner, p.proacl, true from pg_catalog.pg_proc as p where p.oid = any ($3::oid[])
    union all
    select o.tableoid, o.oid, o.oprowner, null, true from pg_catalog.pg_operator as o where o.oid = any ($4::oid[])
    union all
    select s.tableoid, s.oid, s.stxowner, null, true from pg_catalog.pg_statistic_ext as s where s.oid = any ($5::oid[])
  ),
  acts as (
    select o.classid, o.objid, o.owner as role, current_user as actor, 'it belongs to' as reason
    from objects as o
    where o.whole
    union
    select o.classid, o.objid, e.grantor, session_user, 'privileges on it were granted by'
    from objects as o
    cross join lateral pg_catalog.aclexplode(o.acl) as e
    where e.grantor <> o.owner
  )
  select i.identity, pg_catalog.format('%s the role %I, and %I may not act as that role',
    pg_catalog.min(a.reason), pg_catalog.pg_get_userbyid(a.role), a.actor) as reason
  from acts as a
  cross join lateral pg_catalog.pg_identify_object(a.classid, a.objid, 0) as i
  where not pg_catalog.pg_has_role(a.actor, a.role, $6)
  group by i.identity, a.role, a.actor
  order by i.identity, reason`;

/** Finds objects with an owner or grantor that the current role may not act as. */
export function findForeignRoles(session: Session, closure: Closure): Promise<Obstacle[]> {
  const oids = (catalog: string) => [...membersIn(closure, catalog).keys()];
  return session.read<Obstacle>(rolesSql, [
    oids('pg_class'),
    oids('pg_type'),
    oids('pg_proc'),
    oids('pg_operator'),
    oids('pg_statistic_ext'),
    session.server.setOption ? 'set' : 'member',
  ]);
}
