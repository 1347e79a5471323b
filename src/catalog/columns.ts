import type { Session } from '../session.ts';
import { keyOf, type ObjectKey } from './closure.ts';

/** The columns of one relation, as `create table` takes them, and what can only be said afterwards. */
export interface Columns {
  /** Column definitions and named NOT NULL constraints, in order. */
  readonly definitions: readonly string[];
  /** Generated expressions and NOT NULL constraints: objects of their own that the definitions make. */
  readonly inline: readonly ObjectKey[];
  /** Storage, statistics target and options, by `alter table`. */
  readonly settings: readonly string[];
}

interface ColumnRow {
  relation: number;
  definition: string;
  classid: number | null;
  objid: number | null;
  storage: string | null;
  statistics: string | null;
  options: string | null;
}

// The type's own collation and storage are left unsaid. format_type prints one dimension of an array.
// Identity options are written out, since the sequence may have been renamed or altered on its own.
const columnsSql = /* sql */ `
  select a.attrelid::bigint as relation,
    pg_catalog.concat_ws(' ',
      pg_catalog.quote_ident(a.attname),
      pg_catalog.format_type(a.atttypid, a.atttypmod) || pg_catalog.repeat('[]', a.attndims - 1),
      case a.attcompression when 'p' then 'compression pglz' when 'l' then 'compression lz4' end,
      (select pg_catalog.format('collate %I.%I', n.nspname, c.collname)
       from pg_catalog.pg_collation as c
       join pg_catalog.pg_namespace as n on n.oid = c.collnamespace
       where c.oid = a.attcollation and a.attcollation <> t.typcollation),
      case when a.attnotnull and not $2 then 'not null' end,
      case a.attgenerated
        when 's' then 'generated always as (' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ') stored'
        when 'v' then 'generated always as (' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ') virtual'
      end,
      case when a.attidentity in ('a', 'd') then (
        select pg_catalog.format(
          'generated %s as identity (sequence name %I.%I start with %s increment by %s'
          ' minvalue %s maxvalue %s cache %s%s)',
          case a.attidentity when 'a' then 'always' else 'by default' end,
          n.nspname, s.relname, q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
          case when q.seqcycle then ' cycle' end)
        from pg_catalog.pg_depend as p
        join pg_catalog.pg_class as s on s.oid = p.objid and s.relkind = 'S'
        join pg_catalog.pg_namespace as n on n.oid = s.relnamespace
        join pg_catalog.pg_sequence as q on q.seqrelid = s.oid
        where p.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
          and p.refobjid = a.attrelid and p.refobjsubid = a.attnum
          and p.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and p.deptype = 'i')
      end
    ) as definition,
    case when a.attgenerated <> '' then d.tableoid::bigint end as classid,
    case when a.attgenerated <> '' then d.oid::bigint end as objid,
    case when a.attstorage <> t.typstorage then pg_catalog.format('alter column %I set storage %s', a.attname,
      case a.attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end)
    end as storage,
    case when a.attstattarget >= 0 then
      pg_catalog.format('alter column %I set statistics %s', a.attname, a.attstattarget)
    end as statistics,
    (select pg_catalog.format('alter column %I set (%s)', a.attname,
       pg_catalog.string_agg(pg_catalog.format('%I = %L', o.option_name, o.option_value), ', '))
     from pg_catalog.pg_options_to_table(a.attoptions) as o
     having pg_catalog.count(*) > 0) as options
  from pg_catalog.pg_attribute as a
  join pg_catalog.pg_type as t on t.oid = a.atttypid
  left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = any ($1) and a.attnum > 0 and not a.attisdropped
  order by a.attrelid, a.attnum`;

// https://www.postgresql.org/docs/18/sql-createtable.html: a NOT NULL constraint keeps its name as a table constraint.
const notNullSql = /* sql */ `
  select k.conrelid::bigint as relation,
    pg_catalog.format('constraint %I %s', k.conname, pg_catalog.pg_get_constraintdef(k.oid)) as definition,
    k.tableoid::bigint as classid, k.oid::bigint as objid
  from pg_catalog.pg_constraint as k
  where k.conrelid = any ($1) and k.contype = 'n'
  order by k.conrelid, k.conkey`;

/** The columns of some tables, by the OID of the table. */
export async function readColumns(
  session: Session,
  tables: readonly number[],
): Promise<Map<number, Columns>> {
  const rows = await session.read<ColumnRow>(columnsSql, [tables, session.server.namedNotNull]);
  const notNull = session.server.namedNotNull
    ? await session.read<Omit<ColumnRow, 'storage' | 'statistics' | 'options'>>(notNullSql, [tables])
    : [];
  const result = new Map<number, Columns>();
  for (const table of tables) {
    const own = rows.filter((row) => row.relation === table);
    const named = notNull.filter((row) => row.relation === table);
    result.set(table, {
      definitions: [...own, ...named].map((row) => row.definition),
      inline: [...own, ...named].flatMap(({ classid, objid }) =>
        classid === null || objid === null ? [] : [keyOf(classid, objid)],
      ),
      settings: own.flatMap((row) =>
        [row.storage, row.statistics, row.options].filter((text) => text !== null),
      ),
    });
  }
  return result;
}
