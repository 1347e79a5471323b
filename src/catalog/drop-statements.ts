import type { Session } from '../session/session.ts';
import type { Member, ObjectKey } from './closure.ts';

// An object that is internal to another one, or a part of a partition's parent, is dropped with that object. Detaching a
// partition drops the triggers and the references that it has from its parent.
// https://www.postgresql.org/docs/current/catalog-pg-depend.html
const dropsSql = /* sql */ `
  with members as (
    select m.classid, m.objid, m.position
    from unnest($1::oid[], $2::oid[]) with ordinality as m (classid, objid, position)
  )
  select pg_catalog.concat(m.classid, '/', m.objid) as key, i.type as kind, i.identity,
    case
      when i.type in ('view', 'materialized view', 'index', 'domain', 'type', 'cast', 'operator', 'operator class',
          'operator family')
        then pg_catalog.concat('drop ', i.type, ' ', i.identity)
      when i.type in ('function', 'procedure', 'aggregate') then 'drop routine ' || i.identity
      when i.type = 'statistics object' then 'drop statistics ' || i.identity
      when i.type = 'trigger' then (
        select pg_catalog.format('drop trigger %I on %s', t.tgname, t.tgrelid::pg_catalog.regclass)
        from pg_catalog.pg_trigger as t where t.oid = m.objid)
      when i.type = 'rule' then (
        select pg_catalog.format('drop rule %I on %s', r.rulename, r.ev_class::pg_catalog.regclass)
        from pg_catalog.pg_rewrite as r where r.oid = m.objid)
      when i.type = 'policy' then (
        select pg_catalog.format('drop policy %I on %s', p.polname, p.polrelid::pg_catalog.regclass)
        from pg_catalog.pg_policy as p where p.oid = m.objid)
      when i.type = 'table constraint' then (
        select pg_catalog.format('alter table %s drop constraint %I', k.conrelid::pg_catalog.regclass, k.conname)
        from pg_catalog.pg_constraint as k where k.oid = m.objid)
      when i.type = 'domain constraint' then (
        select pg_catalog.format('alter domain %s drop constraint %I', pg_catalog.format_type(k.contypid, null), k.conname)
        from pg_catalog.pg_constraint as k where k.oid = m.objid)
      when i.type = 'default value' then (
        select pg_catalog.format('alter table %s alter column %I drop default', f.adrelid::pg_catalog.regclass, a.attname)
        from pg_catalog.pg_attrdef as f
        join pg_catalog.pg_attribute as a on a.attrelid = f.adrelid and a.attnum = f.adnum
        where f.oid = m.objid)
      when i.type = 'publication relation' then (
        select pg_catalog.format('alter publication %I drop table only %s', p.pubname, r.prrelid::pg_catalog.regclass)
        from pg_catalog.pg_publication_rel as r
        join pg_catalog.pg_publication as p on p.oid = r.prpubid
        where r.oid = m.objid)
    end as sql
  from members as m
  cross join lateral pg_catalog.pg_identify_object(m.classid, m.objid, 0) as i
  -- a materialized view drops its TOAST table
  where i.schema is distinct from 'pg_toast' and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = m.classid and d.objid = m.objid and d.objsubid = 0 and d.deptype in ('i', 'P')
      and (d.deptype = 'P' and i.type = 'trigger'
        or (d.refclassid, d.refobjid) in (select o.classid, o.objid from members as o)))
    and not exists (
      select from pg_catalog.pg_constraint as k
      join pg_catalog.pg_constraint as o on o.oid = k.conparentid and o.conrelid = k.conrelid
      where k.tableoid = m.classid and k.oid = m.objid)
  order by m.position`;

/** The statement that drops one object; null where there is no such statement. */
interface DropStatement {
  readonly key: ObjectKey;
  readonly kind: string;
  readonly identity: string;
  readonly sql: string | null;
}

/** Returns the statements that drop objects, in the order given, without those that are dropped with another one. */
export function readDropStatements(session: Session, members: readonly Member[]): Promise<DropStatement[]> {
  return session.read<DropStatement>(dropsSql, [
    members.map(({ classid }) => classid),
    members.map(({ objid }) => objid),
  ]);
}
