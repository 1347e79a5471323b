import { inArchiveSql } from '../catalog/archive-schemas.ts';
import type { Session } from '../session/session.ts';

// https://www.postgresql.org/docs/current/functions-info.html (pg_identify_object)
const inventorySql = /* sql */ `
  with objects (classid, objid, namespace) as (
    select c.tableoid, c.oid, c.relnamespace
    from pg_catalog.pg_class as c
    where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'i', 'I')
    union all
    select p.tableoid, p.oid, p.pronamespace from pg_catalog.pg_proc as p
    union all
    -- neither row types of tables nor array types
    select t.tableoid, t.oid, t.typnamespace
    from pg_catalog.pg_type as t
    left join pg_catalog.pg_class as c on c.oid = t.typrelid
    where t.typtype in ('e', 'd', 'r') or c.relkind = 'c'
    union all
    select t.tableoid, t.oid, c.relnamespace
    from pg_catalog.pg_trigger as t
    join pg_catalog.pg_class as c on c.oid = t.tgrelid
    where not t.tgisinternal
    union all
    select p.tableoid, p.oid, c.relnamespace
    from pg_catalog.pg_policy as p
    join pg_catalog.pg_class as c on c.oid = p.polrelid
    union all
    select k.tableoid, k.oid, k.connamespace from pg_catalog.pg_constraint as k
  )
  select distinct i.type || ' ' || i.identity collate "C" as object
  from objects as o
  join pg_catalog.pg_namespace as n on n.oid = o.namespace
  cross join lateral pg_catalog.pg_identify_object(o.classid, o.objid, 0) as i
  where n.nspname <> 'information_schema' and not ${inArchiveSql('n.nspname')}
    and not pg_catalog.starts_with(n.nspname::text, 'pg_')
    -- null if another session has dropped the object meanwhile
    and i.identity is not null
    and not exists (
      select from pg_catalog.pg_depend as d
      where d.classid = o.classid and d.objid = o.objid and d.deptype = 'e')
  order by object`;

/**
 * Returns the identities of all relations, routines, types, triggers, policies and constraints in user schemas, such as
 * `view public.model_performance`. Leaves out members of extensions.
 */
export async function readInventory(session: Session): Promise<string[]> {
  const rows = await session.read<{ object: string }>(inventorySql);
  return rows.map(({ object }) => object);
}
