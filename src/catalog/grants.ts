import type { Session } from '../session.ts';
import { type Closure, keyOf } from './closure.ts';
import { addsTo, type Piece } from './piece.ts';

interface GrantRow {
  classid: number;
  objid: number;
  revoke: string | null;
  grants: string[];
}

// An access list that was never touched is null and means the default one. Default privileges may fill in the list
// of a recreated object: whatever they name today is revoked first, and then everything is granted item by item.
// https://www.postgresql.org/docs/current/sql-alterdefaultprivileges.html
const grantsSql = /* sql */ `
  with objects as (
    select c.tableoid as classid, c.oid as objid, 0 as attnum, c.relowner as owner, c.relnamespace as namespace,
      case when c.relkind = 'S' then 's'::"char" else 'r'::"char" end as kind,
      case when c.relkind = 'S' then 'sequence' else 'table' end as word,
      pg_catalog.format('%I.%I', n.nspname, c.relname) as name, null::text as columns, c.relacl as acl
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.oid = any ($1::oid[]) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select c.tableoid, c.oid, a.attnum, c.relowner, c.relnamespace, 'c', 'table',
      pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.format(' (%I)', a.attname), a.attacl
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute as a on a.attrelid = c.oid
    where c.oid = any ($1::oid[]) and a.attnum > 0 and not a.attisdropped and a.attacl is not null
    union all
    select t.tableoid, t.oid, 0, t.typowner, t.typnamespace, 'T', 'type',
      pg_catalog.format('%I.%I', n.nspname, t.typname), null, t.typacl
    from pg_catalog.pg_type as t
    join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
    where t.oid = any ($2::oid[]) and t.typacl is not null
  ),
  defaults as (
    select o.classid, o.objid, pg_catalog.array_agg(distinct e.grantee) as grantees
    from objects as o
    join pg_catalog.pg_default_acl as d on d.defaclnamespace in (0, o.namespace)
      and d.defaclobjtype = case o.kind when 's' then 'S'::"char" else o.kind end
    cross join lateral pg_catalog.aclexplode(d.defaclacl) as e
    where o.attnum = 0
    group by o.classid, o.objid
  )
  select o.classid::bigint as classid, o.objid::bigint as objid,
    case when o.attnum = 0 then (
      select pg_catalog.format('revoke all on %s %s from %s', o.word, o.name, pg_catalog.string_agg(r.name, ', ' order by r.name))
      from (
        select distinct case when g.role = 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.role)) end
        from pg_catalog.unnest(array[0::oid, o.owner] || d.grantees) as g (role)
      ) as r (name))
    end as revoke,
    coalesce((
      select pg_catalog.json_agg(
        pg_catalog.format('grant %s on %s %s to %s%s', g.privileges, o.word, o.name, g.grantee, g.option)
        order by g.privileges, g.grantee)
      from (
        select pg_catalog.string_agg(e.privilege_type || coalesce(o.columns, ''), ', ' order by e.privilege_type) as privileges,
          case when e.grantee = 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(e.grantee)) end as grantee,
          case when e.is_grantable then ' with grant option' else '' end as option
        from pg_catalog.aclexplode(coalesce(o.acl, pg_catalog.acldefault(o.kind, o.owner))) as e
        where e.grantor = o.owner
        group by e.grantee, e.is_grantable
      ) as g), '[]') as grants
  from objects as o
  left join defaults as d on d.classid = o.classid and d.objid = o.objid
  where o.acl is not null or d.grantees is not null
  order by o.name, o.word, o.attnum`;

/** What may be done by whom with relations, their columns and their row types. */
export async function captureGrants(session: Session, closure: Closure): Promise<Piece[]> {
  const members = new Map(closure.members.map((member) => [member.key, member]));
  const oids = (catalog: string) => closure.members.filter((m) => m.catalog === catalog).map((m) => m.objid);
  const rows = await session.read<GrantRow>(grantsSql, [oids('pg_class'), oids('pg_type')]);
  return rows.flatMap((row) => {
    const member = members.get(keyOf(row.classid, row.objid));
    return member === undefined ? [] : addsTo(member, 'grant', [row.revoke, ...row.grants]);
  });
}
