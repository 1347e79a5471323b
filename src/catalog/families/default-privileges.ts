import type { Session } from '../../session/session.ts';
import { type Closure, membersIn } from '../closure.ts';
import type { Piece } from '../piece.ts';
import { routineSql } from './routines.ts';

// Row types and array types have no access list that default privileges apply to.
// The statement needs plpgsql. Without the language, privileges that differ show up in the facts.
const madeSql = /* sql */ `
  select pg_catalog.format('(%L, %L)', m.word, m.name) as value
  from (
    select 'relation' as word, pg_catalog.format('%I.%I', n.nspname, c.relname) as name
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.oid = any ($1::oid[]) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select 'type', pg_catalog.format_type(t.oid, null)
    from pg_catalog.pg_type as t
    where t.oid = any ($2::oid[]) and t.typtype in ('d', 'r', 'm')
    union all
    select 'routine', p.oid::pg_catalog.regprocedure::text
    from pg_catalog.pg_proc as p
    where p.oid = any ($3::oid[])
  ) as m
  where exists (
    select from pg_catalog.pg_language as l
    where l.lanname = 'plpgsql' and pg_catalog.has_language_privilege(l.oid, 'usage'))
  order by m.word, m.name`;

// to_regprocedure fails if a type does not exist yet (14, 15).
const exists = /* sql */ `case m.word
    when 'relation' then pg_catalog.to_regclass(m.name) is not null
    when 'type' then pg_catalog.to_regtype(m.name) is not null
    else m.name in (select p.oid::pg_catalog.regprocedure::text from pg_catalog.pg_proc as p)
  end`;

// The names are passed in a setting, so that the body is always the same and no name can end its quotes. Planning the
// query takes longer than the rest of the block, so it is skipped if there are no default privileges.
const forget = /* sql */ `do $undrop$
declare
  remembered constant jsonb := pg_catalog.current_setting('undrop.made');
  command text;
begin
  if not exists (select from pg_catalog.pg_default_acl) then
    return;
  end if;
  for command in
    with made as (
      select m.word, m.name
      from pg_catalog.jsonb_to_recordset(remembered) as m (word text, name text)
    ),
    objects as (
      select case c.relkind when 'S' then 'sequence ' else 'table ' end || m.name as name,
        c.relacl as acl, c.relowner as owner, case c.relkind when 'S' then 's' else 'r' end as kind
      from made as m
      join pg_catalog.pg_class as c on c.oid = pg_catalog.to_regclass(m.name)
      where m.word = 'relation'
      union all
      select 'type ' || m.name, t.typacl, t.typowner, 'T'
      from made as m
      join pg_catalog.pg_type as t on t.oid = pg_catalog.to_regtype(m.name)
      where m.word = 'type'
      union all
      select ${routineSql('p')}, p.proacl, p.proowner, 'f'
      from made as m
      join pg_catalog.pg_proc as p on p.oid::pg_catalog.regprocedure::text = m.name
      where m.word = 'routine'
    ),
    items as (
      select o.name, 1 as step, e.grantee, null as privileges
      from objects as o
      cross join lateral pg_catalog.aclexplode(o.acl) as e
      group by o.name, e.grantee
      union all
      select o.name, 2, e.grantee, pg_catalog.string_agg(e.privilege_type, ', ')
      from objects as o
      cross join lateral pg_catalog.aclexplode(pg_catalog.acldefault(o.kind::"char", o.owner)) as e
      where o.acl is not null
      group by o.name, e.grantee
    )
    select pg_catalog.format(case i.step when 1 then 'revoke all on %2$s from %3$s' else 'grant %1$s on %2$s to %3$s' end,
      i.privileges, i.name,
      case i.grantee when 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(i.grantee)) end)
    from items as i
    order by i.name, i.step, i.grantee
  loop
    execute command;
  end loop;
end
$undrop$`;

/**
 * Captures statements that undo default privileges. The default privileges at the time of the restore, which may differ
 * from earlier ones, set the access list of each new object. The statements reset these lists to the built-in default;
 * after that, the grants are replayed. Objects that exist before the first statement keep their privileges.
 * https://www.postgresql.org/docs/current/sql-alterdefaultprivileges.html
 */
export async function capturePrivileges(session: Session, closure: Closure): Promise<Piece[]> {
  const oids = (catalog: string) => [...membersIn(closure, catalog).keys()];
  const created = await session.read<{ value: string }>(madeSql, [
    oids('pg_class'),
    oids('pg_type'),
    oids('pg_proc'),
  ]);
  if (created.length === 0) return [];
  const values = created.map(({ value }) => `    ${value}`).join(',\n');
  const remember = /* sql */ `select pg_catalog.set_config('undrop.made', coalesce(pg_catalog.jsonb_agg(m)::text, '[]'), true)
from (values
${values}
  ) as m (word, name)
where not ${exists}`;
  const about = { kind: 'privileges', identity: 'by default', creates: [], needs: [] };
  return [
    { ...about, phase: 'begin', sql: [remember] },
    { ...about, phase: 'privileges', sql: [forget] },
  ];
}
