import { inArchiveSql } from '../catalog/archive-schemas.ts';
import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { say } from '../text/log.ts';

/** A privilege on the archive that a role has without being a keeper. */
interface Stranger {
  readonly line: string;
  /** The statement that removes the privilege. */
  readonly sql: string;
  /** Whether the privilege is only SELECT on dropped rows, or USAGE of their schema, and this role may revoke it. */
  readonly healed: boolean;
}

// A restore runs the statements that the archive holds, so only keepers may write to it. Keepers are: this role, the
// roles that it is a member of, the owner of the database, and superusers. For a superuser, who is a member of every
// role, the only other keeper is the owner of the schema. Privileges on tables have no effect without USAGE on the
// schema. Any role may read definitions, as in the catalogs, but not rows.
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
      and (e.privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')
        or e.privilege_type = 'SELECT' and c.relname ~ '^rows_[0-9]')
      and exists (select from place as p where p.privilege_type = 'USAGE')
    where c.relnamespace in (select p.oid from place as p) and c.relkind in ('r', 'p')
      and (c.relname in ('identity', 'drops', 'statements', 'facts', 'rows', 'evidence')
        or c.relname ~ '^rows_[0-9]')
  ),
  grants as (
    select p.grantee, p.nspowner as owner, 'CREATE' as privilege_type, 'schema undrop' as object, 'in' as preposition
    from place as p where p.privilege_type = 'CREATE' and p.grantee <> p.nspowner
    union
    select t.grantee, t.relowner, t.privilege_type, pg_catalog.format('table undrop.%I', t.relname), 'on'
    from tables as t where t.privilege_type is not null
    union
    -- moved tables keep their privileges, which are without effect as long as nobody can use the schema
    select e.grantee, n.nspowner, e.privilege_type, pg_catalog.format('schema %I', n.nspname),
      case e.privilege_type when 'CREATE' then 'in' else 'the' end
    from pg_catalog.pg_namespace as n
    cross join lateral pg_catalog.aclexplode(n.nspacl) as e
    where n.nspname <> 'undrop' and ${inArchiveSql('n.nspname')} and e.grantee <> n.nspowner
      and e.grantee not in (select k.oid from keepers as k)
  )
  select pg_catalog.format('schema undrop belongs to %I', pg_catalog.pg_get_userbyid(p.nspowner)) as line,
    pg_catalog.format('alter schema undrop owner to %I', current_user) as sql, false as healed
  from place as p where p.nspowner not in (select k.oid from keepers as k)
  union
  select pg_catalog.format('table undrop.%I belongs to %I', t.relname, pg_catalog.pg_get_userbyid(t.relowner)),
    pg_catalog.format('alter table undrop.%I owner to %I', t.relname, current_user), false
  from tables as t where t.relowner not in (select k.oid from keepers as k)
  union
  select pg_catalog.format('%s may %s %s %s',
      case g.grantee when 0 then 'PUBLIC' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) end,
      case g.privilege_type when 'USAGE' then 'use' else pg_catalog.lower(g.privilege_type) end, g.preposition, g.object),
    pg_catalog.format('revoke %s on %s from %s cascade', pg_catalog.lower(g.privilege_type), g.object,
      case g.grantee when 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) end),
    g.privilege_type in ('SELECT', 'USAGE') and pg_catalog.pg_has_role(g.owner, 'usage')
  from grants as g
  order by 1`;

/**
 * Checks that no role but the keepers can write to the archive, or read the rows of dropped tables. SELECT on dropped
 * rows and USAGE of their schema are revoked, with a line in the log.
 *
 * @throws UndropError `archive-damaged`, listing the other privileges
 */
export async function checkKeepers(session: Session): Promise<void> {
  const strangers = await session.read<Stranger>(strangersSql);
  const healed = strangers.filter((stranger) => stranger.healed);
  const left = healed.length === 0 ? strangers : await revoke(session, healed);
  if (left.length === 0) return;
  throw new UndropError('archive-damaged', {
    subject: 'undrop',
    message: `Roles other than ${session.role} have privileges on the archive in ${session.database}.`,
    reason: left.map(({ line }) => line).join('\n'),
    next:
      `Run: ${left.map(({ sql }) => sql).join('; ')}\n` +
      'Before you restore from the archive, check its statements with undrop ddl.',
  });
}

/** @returns the privileges that are left, such as those that another role has granted */
async function revoke(session: Session, readers: readonly Stranger[]): Promise<Stranger[]> {
  await session.run(readers.map(({ sql }) => sql).join(';\n'));
  const left = await session.read<Stranger>(strangersSql);
  const lines = new Set(left.map(({ line }) => line));
  for (const { line } of readers) if (!lines.has(line)) say(`${line}, which holds dropped rows: revoked`);
  return left;
}
