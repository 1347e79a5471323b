import { UndropError } from './errors.ts';
import type { Session } from './session.ts';

// What the archive holds is run by whoever restores from it. A keeper is this role, a role that it may act as, the owner
// of the database, a superuser; a superuser, who may act as anybody, takes the owner of the schema for one. Who may not
// enter the schema may not write there either, whatever is granted on tables.
// https://www.postgresql.org/docs/current/ddl-priv.html
const strangersSql = /* sql */ `
  with keepers as (
    select r.oid
    from pg_catalog.pg_roles as r
    cross join (select m.rolsuper from pg_catalog.pg_roles as m where m.rolname = current_user) as me
    where r.rolsuper or r.rolname = 'pg_database_owner'
      or case when me.rolsuper
        then r.oid = (select n.nspowner from pg_catalog.pg_namespace as n where n.nspname = 'undrop')
        else pg_catalog.pg_has_role(r.oid, 'usage') end
      or r.oid = (select d.datdba from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
  ),
  place as (
    select n.oid, n.nspowner, e.grantee, e.privilege_type
    from pg_catalog.pg_namespace as n
    left join lateral pg_catalog.aclexplode(n.nspacl) as e on e.grantee not in (select k.oid from keepers as k)
    where n.nspname = 'undrop'
  ),
  tables as (
    select c.relname, c.relowner, e.grantee, e.privilege_type
    from pg_catalog.pg_class as c
    left join lateral (
      select a.grantee, a.privilege_type from pg_catalog.aclexplode(c.relacl) as a
      union
      select a.grantee, a.privilege_type
      from pg_catalog.pg_attribute as t
      cross join lateral pg_catalog.aclexplode(t.attacl) as a
      where t.attrelid = c.oid
    ) as e on e.grantee not in (select k.oid from keepers as k)
      and e.privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')
      and exists (select from place as p where p.privilege_type = 'USAGE')
    where c.relnamespace in (select p.oid from place as p) and c.relkind in ('r', 'p')
      and (c.relname in ('identity', 'drops', 'statements', 'facts', 'rows', 'evidence')
        or c.relname ~ '^rows_[0-9]')
  )
  select pg_catalog.format('schema undrop belongs to %I', pg_catalog.pg_get_userbyid(p.nspowner)) as line
  from place as p where p.nspowner not in (select k.oid from keepers as k)
  union
  select pg_catalog.format('%s may create in schema undrop',
    case p.grantee when 0 then 'PUBLIC' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(p.grantee)) end)
  from place as p where p.privilege_type = 'CREATE' and p.grantee <> p.nspowner
  union
  select pg_catalog.format('table undrop.%I belongs to %I', t.relname, pg_catalog.pg_get_userbyid(t.relowner))
  from tables as t where t.relowner not in (select k.oid from keepers as k)
  union
  select pg_catalog.format('%s may %s on table undrop.%I',
    case t.grantee when 0 then 'PUBLIC' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(t.grantee)) end,
    pg_catalog.lower(t.privilege_type), t.relname)
  from tables as t where t.privilege_type is not null
  order by 1`;

/**
 * Nobody but its owners may write in the archive: that would be to write what they run.
 *
 * @throws UndropError `archive-damaged` naming all who may
 */
export async function checkKeepers(session: Session): Promise<void> {
  const strangers = await session.read<{ line: string }>(strangersSql, []);
  if (strangers.length === 0) return;
  throw new UndropError('archive-damaged', {
    subject: 'undrop',
    message: `The archive in ${session.database} is not ${session.role}'s alone to write.`,
    reason: strangers.map(({ line }) => line).join('\n'),
    next:
      'Revoke these rights, or give the schema and its tables to the role that migrates; ' +
      'then look at what the archive holds with undrop ddl before you restore from it.',
  });
}
