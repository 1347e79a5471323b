import type { Session } from '../session.ts';
import type { Closure } from './closure.ts';
import { readColumns } from './columns.ts';
import { addsTo, makes, type Piece } from './piece.ts';

interface TableRow {
  oid: number;
  name: string;
  prefix: string;
  suffix: string;
  owner: string;
  security: string | null;
  forced: string | null;
  identity: string | null;
}

// https://www.postgresql.org/docs/current/catalog-pg-class.html
const tablesSql = /* sql */ `
  select c.oid::bigint as oid,
    pg_catalog.format('%I.%I', n.nspname, c.relname) as name,
    case c.relpersistence when 'u' then 'create unlogged table' else 'create table' end as prefix,
    pg_catalog.concat(
      (select pg_catalog.format(' using %I', m.amname) from pg_catalog.pg_am as m where m.oid = c.relam),
      (select ' with (' || pg_catalog.string_agg(
           pg_catalog.format('%s%I = %L', o.prefix, o.option_name, o.option_value), ', ' order by o.prefix) || ')'
       from (
         select '' as prefix, x.* from pg_catalog.pg_options_to_table(c.reloptions) as x
         union all
         select 'toast.', x.* from pg_catalog.pg_class as toast
         cross join lateral pg_catalog.pg_options_to_table(toast.reloptions) as x
         where toast.oid = c.reltoastrelid
       ) as o
       having pg_catalog.count(*) > 0),
      (select pg_catalog.format(' tablespace %I', s.spcname)
       from pg_catalog.pg_tablespace as s where s.oid = c.reltablespace)
    ) as suffix,
    pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)) as owner,
    case when c.relrowsecurity then 'enable row level security' end as security,
    case when c.relforcerowsecurity then 'force row level security' end as forced,
    case c.relreplident when 'n' then 'replica identity nothing' when 'f' then 'replica identity full' end as identity
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.oid = any ($1)
  order by n.nspname, c.relname`;

/** Ordinary tables, with their columns. */
export async function captureRelations(session: Session, closure: Closure): Promise<Piece[]> {
  const tables = new Map(
    closure.members
      .filter((member) => member.kind === 'table' && member.objsubid === 0)
      .map((member) => [member.objid, member]),
  );
  const rows = await session.read<TableRow>(tablesSql, [[...tables.keys()]]);
  const columns = await readColumns(session, [...tables.keys()]);
  return rows.flatMap((row) => {
    const member = tables.get(row.oid);
    const column = columns.get(row.oid);
    if (member === undefined || column === undefined) return [];
    const alter = (action: string | null) => action && `alter table only ${row.name} ${action}`;
    return [
      makes(
        member,
        'relation',
        [
          `${row.prefix} ${row.name} (${column.definitions.map((definition) => `\n  ${definition}`).join(',')}\n)${row.suffix}`,
          ...column.settings.map(alter),
          alter(`owner to ${row.owner}`),
        ],
        column.inline,
      ),
      // Last, so that nothing that restores the table is subject to it.
      ...addsTo(member, 'mark', [alter(row.identity), alter(row.security), alter(row.forced)]),
    ];
  });
}
