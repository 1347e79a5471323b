import type { Session } from '../session/session.ts';

/** An object that pg_dump creates apart from its table, usually after the rows: an index, a constraint, a trigger. */
export interface LaterObject {
  readonly kind: string;
  /** The name without the schema. Empty for the state of a sequence. */
  readonly name: string;
}

/**
 * Returns these objects of the database, one for each statement that a complete backup contains at least. pg_dump omits
 * members of extensions, invalid indexes, and clones of constraints and triggers on partitions.
 */
export function readLaterObjects(session: Session): Promise<LaterObject[]> {
  return session.read<LaterObject>(laterObjectsSql);
}

const laterObjectsSql = /* sql */ `
  with members as materialized (
    select d.classid, d.objid from pg_catalog.pg_depend as d where d.deptype = 'e'
  ),
  relations as materialized (
    select c.oid, c.relname, c.relkind, c.relrowsecurity
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'm', 'v', 'f', 'S') and c.relpersistence <> 't'
      and n.nspname <> 'information_schema' and not pg_catalog.starts_with(n.nspname::text, 'pg_')
      and not exists (select from members as m where m.classid = c.tableoid and m.objid = c.oid)
  ),
  objects (kind, name, classid, objid) as (
    select 'index', i.relname, i.tableoid, i.oid
    from pg_catalog.pg_index as x
    join relations as r on r.oid = x.indrelid
    join pg_catalog.pg_class as i on i.oid = x.indexrelid
    where x.indisready and (x.indisvalid or r.relkind = 'p')
      and not exists (
        select from pg_catalog.pg_constraint as k
        where k.conrelid = x.indrelid and k.conindid = x.indexrelid and k.contype in ('p', 'u', 'x'))
    union all
    select 'constraint', k.conname, k.tableoid, k.oid
    from pg_catalog.pg_constraint as k
    join relations as r on r.oid = k.conrelid
    left join pg_catalog.pg_index as x on x.indexrelid = k.conindid
    where k.contype in ('p', 'u', 'x') and x.indisready and (x.indisvalid or r.relkind = 'p')
      or k.contype = 'f' and k.conparentid = 0
    union all
    select 'trigger', t.tgname, t.tableoid, t.oid
    from pg_catalog.pg_trigger as t
    join relations as r on r.oid = t.tgrelid
    where not t.tgisinternal and t.tgparentid = 0
    union all
    select 'rule', w.rulename, w.tableoid, w.oid
    from pg_catalog.pg_rewrite as w
    join relations as r on r.oid = w.ev_class
    where w.rulename <> '_RETURN'
    union all
    select 'policy', p.polname, p.tableoid, p.oid
    from pg_catalog.pg_policy as p
    join relations as r on r.oid = p.polrelid
    union all
    select 'row security', r.relname, 'pg_catalog.pg_class'::pg_catalog.regclass, r.oid
    from relations as r
    where r.relrowsecurity
    union all
    select 'statistics', s.stxname, s.tableoid, s.oid
    from pg_catalog.pg_statistic_ext as s
    join relations as r on r.oid = s.stxrelid
    join pg_catalog.pg_namespace as n on n.oid = s.stxnamespace
    where not pg_catalog.starts_with(n.nspname::text, 'pg_')
    union all
    select 'event trigger', e.evtname, e.tableoid, e.oid
    from pg_catalog.pg_event_trigger as e
    union all
    select 'publication', p.pubname, p.tableoid, p.oid
    from pg_catalog.pg_publication as p
    union all
    select 'sequence state', '', 'pg_catalog.pg_class'::pg_catalog.regclass, r.oid
    from relations as r
    where r.relkind = 'S' and not exists (
      select from pg_catalog.pg_depend as d
      where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = r.oid and d.deptype in ('a', 'i')
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.refobjid not in (select o.oid from relations as o))
  )
  select o.kind, o.name::text as name
  from objects as o
  where not exists (select from members as m where m.classid = o.classid and m.objid = o.objid)
  order by o.kind, o.name`;
