import type { Session } from '../../session/session.ts';
import { type Closure, keyOf, membersIn } from '../closure.ts';
import { addsTo, type Piece } from '../piece.ts';
import { routineSql } from './routines.ts';

interface GrantRow {
  classid: number;
  objid: number;
  revoke: string | null;
  grants: { sql: string; grantor: string | null }[];
}

// An access list that was never changed is null, which means the default list: no statement is needed. If a list begins
// with the default items, the others are granted. For any other list, all privileges are revoked, also from the owner
// and public, and then granted item by item in the order of the list. A grant comes after those that give its grantor
// the privilege. https://www.postgresql.org/docs/current/ddl-priv.html
const grantsSql = /* sql */ `
  with objects as (
    select c.tableoid as classid, c.oid as objid, 0 as attnum, c.relowner as owner,
      case when c.relkind = 'S' then 'sequence' else 'table' end || pg_catalog.format(' %I.%I', n.nspname, c.relname) as name,
      null::text as columns, c.relacl as acl,
      case when c.relkind = 'S' then 's'::"char" else 'r'::"char" end as kind
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.oid = any ($1::oid[]) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select c.tableoid, c.oid, a.attnum, c.relowner, pg_catalog.format('table %I.%I', n.nspname, c.relname),
      pg_catalog.format(' (%I)', a.attname), a.attacl, 'c'
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute as a on a.attrelid = c.oid
    where c.oid = any ($1::oid[]) and a.attnum > 0 and not a.attisdropped
    union all
    select t.tableoid, t.oid, 0, t.typowner, pg_catalog.format('type %I.%I', n.nspname, t.typname), null, t.typacl, 'T'
    from pg_catalog.pg_type as t
    join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
    where t.oid = any ($2::oid[])
    union all
    select p.tableoid, p.oid, 0, p.proowner, ${routineSql('p')}, null, p.proacl, 'f'
    from pg_catalog.pg_proc as p
    where p.oid = any ($3::oid[])
  )
  select o.classid::bigint as classid, o.objid::bigint as objid,
    case when d.kept = 0 and o.attnum = 0 then pg_catalog.format('revoke all on %s from public, %I',
      o.name, pg_catalog.pg_get_userbyid(o.owner)) end as revoke,
    array(
      with recursive items as (
        select e.*
        from pg_catalog.aclexplode(o.acl) with ordinality as e (grantor, grantee, privilege, is_grantable, position)
      ),
      -- which role can grant which privilege, after which item of the list; null stands for all privileges
      holders as (
        select o.owner as role, null::text as privilege, 0 as depth, 0::bigint as position
        union
        select i.grantee, i.privilege, h.depth + 1, greatest(i.position, h.position)
        from holders as h
        join items as i on i.grantor = h.role and coalesce(i.privilege = h.privilege, true)
        where i.is_grantable and i.grantee <> o.owner
      ),
      grants as (
        select i.grantor, i.grantee, i.is_grantable, h.depth, greatest(pg_catalog.min(i.position), h.position) as position,
          pg_catalog.string_agg(i.privilege || coalesce(o.columns, ''), ', ' order by i.position) as privileges
        from items as i
        left join lateral (
          select h.depth, h.position
          from holders as h
          where h.role = i.grantor and coalesce(h.privilege = i.privilege, true)
          order by h.position, h.depth
          limit 1
        ) as h on true
        where i.position > d.kept
        group by i.grantor, i.grantee, i.is_grantable, h.depth, h.position
      )
      select pg_catalog.json_build_object(
        'sql', pg_catalog.format('grant %s on %s to %s%s', g.privileges, o.name,
          case when g.grantee = 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) end,
          case when g.is_grantable then ' with grant option' end),
        'grantor', case when g.grantor <> o.owner then pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantor)) end)
      from grants as g
      order by g.position, g.depth, g.is_grantable
    ) as grants
  from objects as o
  cross join lateral pg_catalog.acldefault(o.kind, o.owner) as f (items)
  -- the number of privileges at the head of the list that are the default ones
  cross join lateral (
    select case when (o.acl::text[])[1:pg_catalog.cardinality(f.items)] = f.items::text[]
      then (select pg_catalog.count(*) from pg_catalog.aclexplode(f.items)) else 0 end) as d (kept)
  where o.acl is not null
  order by o.name, o.attnum`;

/** Captures privileges on relations, their columns, types and routines. */
export async function captureGrants(session: Session, closure: Closure): Promise<Piece[]> {
  const members = new Map(closure.members.map((member) => [member.key, member]));
  const oids = (catalog: string) => [...membersIn(closure, catalog).keys()];
  const rows = await session.read<GrantRow>(grantsSql, [oids('pg_class'), oids('pg_type'), oids('pg_proc')]);
  return rows.flatMap((row) => {
    const member = members.get(keyOf(row.classid, row.objid));
    if (member === undefined) return [];
    const grants = row.grants.map(({ sql, grantor }) => (grantor === null ? sql : as(grantor, sql)));
    return addsTo(member, 'grant', [row.revoke, ...grants]);
  });
}

/**
 * Returns a statement that runs as another role. Afterwards the previous role is set again instead of RESET ROLE,
 * because the application may have set a role that is neither the session user nor its default.
 */
function as(role: string, sql: string): string {
  return [
    `select pg_catalog.set_config('undrop.role', pg_catalog.current_setting('role'), true)`,
    `set local role ${role}`,
    sql,
    `select pg_catalog.set_config('role', pg_catalog.current_setting('undrop.role'), true)`,
  ].join(';\n');
}
