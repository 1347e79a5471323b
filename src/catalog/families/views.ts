import type { Session } from '../../session/session.ts';
import { type Closure, type Member, membersIn, readAbout } from '../closure.ts';
import { toastOptionsSql, withoutInternalOptions } from '../internal-options.ts';
import { addsTo, makes, type Piece } from '../piece.ts';
import { readColumns } from './columns.ts';
import { refresh } from './refresh.ts';

interface ViewRow {
  oid: number;
  name: string;
  create: string;
  owner: string;
  /** Whether it is a materialized view that has been populated. */
  filled: boolean;
}

// check_option and security_barrier are options like any other. A materialized view is created with no data, because
// otherwise its query would run as the role that restores.
const viewsSql = /* sql */ `
  select c.oid::bigint as oid,
    pg_catalog.format('%I.%I', n.nspname, c.relname) as name,
    pg_catalog.format('create %s %I.%I%s%s%s as%s%s',
      case c.relkind when 'm' then 'materialized view' else 'view' end,
      n.nspname, c.relname,
      (select pg_catalog.format(' using %I', m.amname)
       from pg_catalog.pg_am as m where m.oid = c.relam and c.relkind = 'm'),
      (select pg_catalog.format(' with (%s)', pg_catalog.string_agg(
         pg_catalog.format('%s%I = %L', o.prefix, o.option_name, o.option_value), ', ' order by o.prefix))
       from (
         select '' as prefix, x.* from pg_catalog.pg_options_to_table(${withoutInternalOptions('c.reloptions')}) as x
         union all
         ${toastOptionsSql}
       ) as o having pg_catalog.count(*) > 0),
      (select pg_catalog.format(' tablespace %I', s.spcname)
       from pg_catalog.pg_tablespace as s where s.oid = c.reltablespace),
      E'\\n' || pg_catalog.rtrim(pg_catalog.pg_get_viewdef(c.oid), ';'),
      case c.relkind when 'm' then E'\\nwith no data' end) as create,
    c.relkind = 'm' and c.relispopulated as filled,
    pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)) as owner
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.oid = any ($1) and c.relkind in ('v', 'm')
  order by n.nspname, c.relname`;

/** Captures views and materialized views. Populated materialized views are refreshed after all other statements. */
export async function captureViews(session: Session, closure: Closure): Promise<Piece[]> {
  const isView = ([, { kind }]: [number, Member]) => kind === 'view' || kind === 'materialized view';
  const members = new Map([...membersIn(closure, 'pg_class')].filter(isView));
  const rows = await readAbout<ViewRow>(session, viewsSql, members);
  const columns = await readColumns(
    session,
    rows.map((row) => row.oid),
  );
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    if (member === undefined) return [];
    const settings = columns.get(row.oid)?.settings ?? [];
    const alter = (action: string) => `alter table ${row.name} ${action}`;
    return [
      makes(member, 'view', [row.create, ...settings.map(alter), alter(`owner to ${row.owner}`)]),
      ...addsTo(member, 'refresh', row.filled ? refresh(row.name) : []),
    ];
  });
}
