import type { Session } from '../../session/session.ts';
import { type Closure, membersIn, readAbout } from '../closure.ts';
import { toastOptionsSql, withoutInternalOptions } from '../internal-options.ts';
import { addsTo, makes, type Piece } from '../piece.ts';
import { adopt, readAdoptions } from './adoption.ts';
import { readColumns } from './columns.ts';

interface TableRow {
  oid: number;
  name: string;
  prefix: string;
  inherits: string | null;
  suffix: string;
  typed: boolean;
  /** Whether it has a TOAST table that none of its current columns needs. */
  toasted: boolean;
  /** The options of its TOAST table. */
  toast: string | null;
  owner: string;
  marks: string[];
}

// https://www.postgresql.org/docs/current/catalog-pg-class.html
const tablesSql = /* sql */ `
  select c.oid::bigint as oid,
    pg_catalog.format('%I.%I', n.nspname, c.relname) as name,
    pg_catalog.format('create %stable %I.%I%s',
      case when c.relkind = 'f' then 'foreign ' when c.relpersistence = 'u' then 'unlogged ' end, n.nspname, c.relname,
      (select pg_catalog.format(' of %I.%I', tn.nspname, t.typname)
       from pg_catalog.pg_type as t join pg_catalog.pg_namespace as tn on tn.oid = t.typnamespace
       where t.oid = c.reloftype)) as prefix,
    case when not c.relispartition then
      (select ' inherits (' || pg_catalog.string_agg(
           pg_catalog.format('%I.%I', pn.nspname, p.relname), ', ' order by h.inhseqno) || ')'
       from pg_catalog.pg_inherits as h
       join pg_catalog.pg_class as p on p.oid = h.inhparent
       join pg_catalog.pg_namespace as pn on pn.oid = p.relnamespace
       where h.inhrelid = c.oid having pg_catalog.count(*) > 0)
    end as inherits,
    pg_catalog.concat(
      case when c.relkind = 'p' then ' partition by ' || pg_catalog.pg_get_partkeydef(c.oid) end,
      (select pg_catalog.format(' using %I', m.amname) from pg_catalog.pg_am as m where m.oid = c.relam),
      (select ' with (' || pg_catalog.string_agg(
           pg_catalog.format('%s%I = %L', o.prefix, o.option_name, o.option_value), ', ' order by o.prefix) || ')'
       from (
         select '' as prefix, x.* from pg_catalog.pg_options_to_table(${withoutInternalOptions('c.reloptions')}) as x
         union all
         ${toastOptionsSql}
       ) as o
       having pg_catalog.count(*) > 0),
      (select pg_catalog.format(' tablespace %I', s.spcname)
       from pg_catalog.pg_tablespace as s where s.oid = c.reltablespace),
      (select pg_catalog.format(' server %I', s.srvname) || coalesce((
         select ' options (' || pg_catalog.string_agg(
           pg_catalog.format('%I %L', o.option_name, o.option_value), ', ') || ')'
         from pg_catalog.pg_options_to_table(f.ftoptions) as o having pg_catalog.count(*) > 0), '')
       from pg_catalog.pg_foreign_table as f
       join pg_catalog.pg_foreign_server as s on s.oid = f.ftserver where f.ftrelid = c.oid)
    ) as suffix,
    c.reloftype <> 0 as typed,
    c.reltoastrelid <> 0 and c.reloftype = 0 and not exists (
      select from pg_catalog.pg_attribute as a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        and a.attlen = -1 and a.attstorage <> 'p' and a.atttypmod = -1) as toasted,
    (select pg_catalog.format('set (%s)', pg_catalog.string_agg(
       pg_catalog.format('%s%I = %L', o.prefix, o.option_name, o.option_value), ', '))
     from (${toastOptionsSql}) as o having pg_catalog.count(*) > 0) as toast,
    pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)) as owner,
    array_remove(array[
      case when c.relkind <> 'f' then
        case c.relreplident when 'n' then 'replica identity nothing' when 'f' then 'replica identity full' end
      end,
      case when c.relrowsecurity then 'enable row level security' end,
      case when c.relforcerowsecurity then 'force row level security' end
    ], null) as marks
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.oid = any ($1) and c.relkind in ('r', 'p', 'f')
  order by n.nspname, c.relname`;

/** Captures tables of all kinds with their columns. Partitions are created without their parent. */
export async function captureRelations(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_class');
  const [rows, adoptions] = await session.together([
    readAbout<TableRow>(session, tablesSql, members),
    readAdoptions(session, members),
  ]);
  const oids = rows.map((row) => row.oid);
  const columns = await readColumns(session, oids, [...adoptions.keys()]);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    const column = columns.get(row.oid);
    if (member === undefined || column === undefined) return [];
    const alter = (action: string) => `alter table only ${row.name} ${action}`;
    const create = (definitions: readonly string[], inherits: string) =>
      `${row.prefix}${list(definitions, row.typed)}${inherits}${row.suffix}`;
    const definitions = column.columns.flatMap(({ definition }) => definition ?? []);
    const adoption = adoptions.get(row.oid);
    const statements =
      adoption === undefined
        ? [create(definitions, row.inherits ?? ''), ...column.settings.map(alter)]
        : adopt(adoption, column.columns, column.settings, create, alter);
    return [
      makes(
        member,
        'relation',
        [...statements, ...(row.toasted ? toastOf(row).map(alter) : []), alter(`owner to ${row.owner}`)],
        column.inline,
      ),
      // Last, so that the statements that restore the table are not subject to row-level security.
      ...addsTo(member, 'mark', row.marks.map(alter)),
    ];
  });
}

/** PostgreSQL keeps the TOAST table when the last column that needs it is dropped. Without one, it ignores the options. */
function toastOf({ toast }: TableRow): string[] {
  return ['add column "undrop toast" text', 'drop column "undrop toast"', ...(toast === null ? [] : [toast])];
}

function list(definitions: readonly string[], typed: boolean): string {
  // A typed table does not accept an empty column list.
  if (typed && definitions.length === 0) return '';
  return ` (${definitions.map((definition) => `\n  ${definition}`).join(',')}\n)`;
}
