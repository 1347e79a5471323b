import type { Session } from '../session/session.ts';

/** What the SQL of a backup refers to and does not create: it must exist on the server of a restore. */
export interface Prerequisites {
  readonly roles: readonly string[];
  readonly extensions: readonly string[];
  readonly tablespaces: readonly string[];
}

// The bootstrap superuser has no rows in pg_shdepend. A dump does not contain the owners of members of extensions.
const prerequisitesSql = /* sql */ `
  with named as (
    select s.refobjid as oid
    from pg_catalog.pg_shdepend as s
    join pg_catalog.pg_database as d on d.oid = s.dbid
    where d.datname = pg_catalog.current_database()
      and s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and s.deptype in ('o', 'a', 'r')
      and not (s.deptype = 'o' and exists (
        select from pg_catalog.pg_depend as e
        where e.classid = s.classid and e.objid = s.objid and e.deptype = 'e'))
    union
    select c.relowner
    from pg_catalog.pg_class as c
    where c.oid >= 16384 and c.relpersistence <> 't' and not exists (
      select from pg_catalog.pg_depend as e where e.classid = c.tableoid and e.objid = c.oid and e.deptype = 'e')
  )
  select
    array(
      select r.rolname::text from pg_catalog.pg_roles as r join named as n on n.oid = r.oid order by 1) as roles,
    array(
      select e.extname::text from pg_catalog.pg_extension as e order by 1) as extensions,
    array(
      select distinct t.spcname::text
      from pg_catalog.pg_class as c
      join pg_catalog.pg_tablespace as t on t.oid = c.reltablespace
      where c.relnamespace <> 'pg_catalog'::pg_catalog.regnamespace and t.spcname <> 'pg_global'
      order by 1) as tablespaces`;

/** Returns the roles, extensions and tablespaces that a dump of the database refers to. */
export async function readPrerequisites(session: Session): Promise<Prerequisites> {
  const [found] = await session.read<Prerequisites>(prerequisitesSql);
  return found ?? { roles: [], extensions: [], tablespaces: [] };
}
