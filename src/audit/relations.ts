import type { Session } from '../session/session.ts';

/** A relationship of a table to another object. */
export interface Link {
  /** The OID. */
  readonly table: number;
  /** `in`: the object references the table; `out`: the table has the object. */
  readonly direction: 'in' | 'out';
  /** `foreign key`, `view`, `function`, `trigger`, `policy`, `publication`, … */
  readonly kind: string;
  /** The identity of the object, as PostgreSQL prints it. */
  readonly identity: string;
  /** The OID of the table that a foreign key references. */
  readonly target: number | null;
}

// The objects that depend on the table, its row type or its sequences, and do not belong to the table. All partitions of
// one partitioned table count as the same table. https://www.postgresql.org/docs/current/catalog-pg-depend.html
const dependentsSql = /* sql */ `
  with tables as materialized (
    select c.oid, c.reltype
    from pg_catalog.pg_class as c
    where c.relkind in ('r', 'p') and c.oid >= 16384
  ),
  targets (classid, objid, oid) as (
    select 'pg_catalog.pg_class'::pg_catalog.regclass::oid, t.oid, t.oid from tables as t
    union all
    select 'pg_catalog.pg_type'::pg_catalog.regclass, y.oid, t.oid
    from tables as t
    join pg_catalog.pg_type as y on y.oid = t.reltype
    union all
    select 'pg_catalog.pg_type'::pg_catalog.regclass, y.typarray, t.oid
    from tables as t
    join pg_catalog.pg_type as y on y.oid = t.reltype and y.typarray <> 0
    union all
    select d.classid, d.objid, t.oid
    from tables as t
    join pg_catalog.pg_depend as d on d.refobjid = t.oid and d.deptype in ('a', 'i')
      and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
    join pg_catalog.pg_class as s on s.oid = d.objid and s.relkind = 'S'
  ),
  dependents as (
    select distinct t.oid, d.classid, d.objid,
      case when d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass then d.objsubid else 0 end as objsubid
    from targets as t
    join pg_catalog.pg_depend as d on d.refclassid = t.classid and d.refobjid = t.objid and d.deptype = 'n'
  ),
  owned as (
    select d.*, k.contype, r.rulename,
      coalesce(k.conrelid, r.ev_class, p.polrelid, a.adrelid, g.tgrelid, c.oid, x.prrelid) as owner
    from dependents as d
    left join pg_catalog.pg_constraint as k
      on d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and k.oid = d.objid
    left join pg_catalog.pg_rewrite as r
      on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and r.oid = d.objid
    left join pg_catalog.pg_policy as p
      on d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and p.oid = d.objid
    left join pg_catalog.pg_attrdef as a
      on d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and a.oid = d.objid
    left join pg_catalog.pg_trigger as g
      on d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass and g.oid = d.objid
    left join pg_catalog.pg_class as c
      on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and c.oid = d.objid
    left join pg_catalog.pg_publication_rel as x
      on d.classid = 'pg_catalog.pg_publication_rel'::pg_catalog.regclass and x.oid = d.objid
    -- only the foreign key itself, without its clones on partitions
    where k.oid is null or k.conparentid = 0
  )
  select distinct o.oid::bigint as "table", 'in' as direction,
    case when o.contype = 'f' then 'foreign key' else i.type end as kind, i.identity, null::bigint as target
  from owned as o
  cross join lateral (
    -- the rule _RETURN stands for its view
    select case when o.rulename = '_RETURN' then 'pg_catalog.pg_class'::pg_catalog.regclass::oid else o.classid end as classid,
      case when o.rulename = '_RETURN' then o.owner else o.objid end as objid
  ) as v
  cross join lateral pg_catalog.pg_identify_object(v.classid, v.objid, o.objsubid) as i
  where coalesce(pg_catalog.pg_partition_root(o.owner), o.owner, 0)
      <> coalesce(pg_catalog.pg_partition_root(o.oid), o.oid)
    and i.identity is not null`;

const ownSql = /* sql */ `
  select k.conrelid::bigint as "table", 'out' as direction, 'foreign key' as kind, i.identity || ' to ' ||
    pg_catalog.format('%I.%I', n.nspname, c.relname) as identity, k.confrelid::bigint as target
  from pg_catalog.pg_constraint as k
  join pg_catalog.pg_class as c on c.oid = k.confrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  cross join lateral pg_catalog.pg_identify_object(k.tableoid, k.oid, 0) as i
  where k.contype = 'f' and k.conparentid = 0
  union all
  select t.tgrelid::bigint, 'out', 'trigger', i.identity, null
  from pg_catalog.pg_trigger as t
  cross join lateral pg_catalog.pg_identify_object(t.tableoid, t.oid, 0) as i
  where not t.tgisinternal
  union all
  select p.polrelid::bigint, 'out', 'policy', i.identity, null
  from pg_catalog.pg_policy as p
  cross join lateral pg_catalog.pg_identify_object(p.tableoid, p.oid, 0) as i
  union all
  select r.prrelid::bigint, 'in', 'publication', pg_catalog.quote_ident(p.pubname), null
  from pg_catalog.pg_publication_rel as r
  join pg_catalog.pg_publication as p on p.oid = r.prpubid
  union all
  select r.srrelid::bigint, 'in', 'subscription', pg_catalog.quote_ident(s.subname), null
  from pg_catalog.pg_subscription_rel as r
  join pg_catalog.pg_subscription as s on s.oid = r.srsubid
  union all
  select i.inhrelid::bigint, 'in', 'partitioned table', pg_catalog.format('%I.%I', n.nspname, c.relname), null
  from pg_catalog.pg_inherits as i
  join pg_catalog.pg_class as r on r.oid = i.inhrelid and r.relispartition and r.relkind in ('r', 'p')
  join pg_catalog.pg_class as c on c.oid = i.inhparent
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace`;

/** Returns the links of all tables, sorted by kind and identity. */
export async function readLinks(session: Session): Promise<Link[]> {
  return session.read<Link>(/* sql */ `
    select l.* from (${dependentsSql} union all ${ownSql}) as l
    order by l."table", l.direction, l.kind, l.identity`);
}
