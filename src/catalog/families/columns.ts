import type { Session } from '../../session/session.ts';
import { keyOf, type ObjectKey } from '../closure.ts';
import { withoutInternalOptions } from '../internal-options.ts';

/** The columns of a relation as `create table` accepts them, and settings that can only be made afterwards. */
export interface Columns {
  /** The columns in order, followed by named NOT NULL constraints. */
  readonly columns: readonly Column[];
  /** Generation expressions and NOT NULL constraints: objects that the definitions create. */
  readonly inline: readonly ObjectKey[];
  /** Actions of `alter table`: storage, compression, statistics target and options. */
  readonly settings: readonly string[];
}

export interface Column {
  /** The definition in `create table`; null if the column is only inherited. */
  readonly definition: string | null;
  /** The definition in the parent; null if no parent has the column. */
  readonly inherited: string | null;
}

interface ColumnRow extends Column {
  relation: number;
  classid: number | null;
  objid: number | null;
  settings: string[];
}

// The type's own collation and storage are not written unless a parent or type could have set others.
// format_type prints one dimension of an array. Identity options are written out, because the sequence may have been
// renamed or altered separately. A partition is created as a separate table with all of its columns, and then attached.
const columnsSql = /* sql */ `
  with columns as (
    select a.*, c.relname, c.reloftype <> 0 as typed, c.relkind, c.relispartition,
      not c.relispartition and not a.attislocal as given,
      not c.relispartition and a.attinhcount > 0 as inherited,
      c.oid in (select pg_catalog.unnest($4::oid[])) as adopted,
      exists (
        select from pg_catalog.pg_inherits as h
        join pg_catalog.pg_attribute as p
          on p.attrelid = h.inhparent and p.attname = a.attname and p.attgenerated <> ''
        where h.inhrelid = c.oid and not c.relispartition) as generated_by_parent,
      exists (
        select from pg_catalog.pg_inherits as h
        join pg_catalog.pg_attribute as p on p.attrelid = h.inhparent and p.attname = a.attname and p.attnotnull
        where h.inhrelid = c.oid and c.oid not in (select pg_catalog.unnest($4::oid[]))) as not_null_by_parent
    from pg_catalog.pg_attribute as a
    join pg_catalog.pg_class as c on c.oid = a.attrelid
    where a.attrelid = any ($1) and a.attnum > 0 and not a.attisdropped
  )
  select a.attrelid::bigint as relation,
    case when not a.given then pg_catalog.concat_ws(' ',
      pg_catalog.quote_ident(a.attname),
      case when a.typed then 'with options' else
        pg_catalog.format_type(a.atttypid, a.atttypmod) || pg_catalog.repeat('[]', a.attndims - 1)
      end,
      (select 'options (' || pg_catalog.string_agg(pg_catalog.format('%I %L', o.option_name, o.option_value), ', ') || ')'
       from pg_catalog.pg_options_to_table(a.attfdwoptions) as o having pg_catalog.count(*) > 0),
      case when not a.typed then
        case a.attcompression when 'p' then 'compression pglz' when 'l' then 'compression lz4' end
      end,
      case when not a.typed then
        (select pg_catalog.format('collate %I.%I', n.nspname, c.collname)
         from pg_catalog.pg_collation as c
         join pg_catalog.pg_namespace as n on n.oid = c.collnamespace
         where c.oid = a.attcollation and a.attcollation <> t.typcollation)
      end,
      case when a.attnotnull and not $2 then 'not null' end,
      case case when not a.generated_by_parent or $3 or a.adopted then a.attgenerated end
        when 's' then 'generated always as (' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ') stored'
        when 'v' then 'generated always as (' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ') virtual'
      end,
      (select pg_catalog.format(
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
    ) end as definition,
    case when a.given or a.inherited and a.attgenerated = '' then pg_catalog.concat_ws(' ',
      pg_catalog.quote_ident(a.attname),
      pg_catalog.format_type(a.atttypid, a.atttypmod) || pg_catalog.repeat('[]', a.attndims - 1),
      (select pg_catalog.format('collate %I.%I', n.nspname, c.collname)
       from pg_catalog.pg_collation as c
       join pg_catalog.pg_namespace as n on n.oid = c.collnamespace
       where c.oid = a.attcollation and a.attcollation <> t.typcollation),
      case when a.given then
        case a.attgenerated
          when 's' then 'generated always as (' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ') stored'
          when 'v' then 'generated always as (' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ') virtual'
        end
      end
    ) end as inherited,
    case when a.attgenerated <> '' then d.tableoid::bigint end as classid,
    case when a.attgenerated <> '' then d.oid::bigint end as objid,
    array_remove(array[
      -- if it were declared by the child too, then from 18 on the child would keep it when the parent loses it
      case when a.given and a.attnotnull and not a.not_null_by_parent and not $2 then pg_catalog.format('alter column %I set not null', a.attname) end,
      -- the column inherited the default of the parent
      case when a.given and d.oid is null then pg_catalog.format('alter column %I drop default', a.attname) end,
      case when a.attstorage <> t.typstorage or a.given then pg_catalog.format('alter column %I set storage %s', a.attname,
        case a.attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end)
      end,
      case when (a.given and a.relkind <> 'f' or a.typed or a.relkind = 'm') and t.typstorage <> 'p' then
        pg_catalog.format('alter column %I set compression %s', a.attname,
          case a.attcompression when 'p' then 'pglz' when 'l' then 'lz4' else 'default' end)
      end,
      case when a.attstattarget >= 0 then
        pg_catalog.format('alter column %I set statistics %s', a.attname, a.attstattarget)
      end,
      (select pg_catalog.format('alter column %I set (%s)', a.attname,
         pg_catalog.string_agg(pg_catalog.format('%I = %L', o.option_name, o.option_value), ', '))
       from pg_catalog.pg_options_to_table(${withoutInternalOptions('a.attoptions')}) as o
       having pg_catalog.count(*) > 0)
    ], null) as settings
  from columns as a
  join pg_catalog.pg_type as t on t.oid = a.atttypid
  left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
  order by a.attrelid, a.attnum`;

// https://www.postgresql.org/docs/18/sql-createtable.html: a NOT NULL constraint keeps its name as a table constraint.
const notNullSql = /* sql */ `
  select k.conrelid::bigint as relation,
    case when k.conislocal or c.relispartition and not exists (
        -- created with the parent's constraint, which is not valid, and validated afterwards
        select from pg_catalog.pg_inherits as h
        join pg_catalog.pg_constraint as o on o.conrelid = h.inhparent and o.contype = 'n' and not o.convalidated
        join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
        join pg_catalog.pg_attribute as oa on oa.attrelid = o.conrelid and oa.attnum = o.conkey[1]
        where h.inhrelid = k.conrelid and h.inhparent in (select pg_catalog.unnest($1::oid[])) and oa.attname = a.attname)
    then
      pg_catalog.format('constraint %I %s', k.conname, pg_catalog.pg_get_constraintdef(k.oid))
    end as definition,
    null as inherited,
    k.tableoid::bigint as classid, k.oid::bigint as objid, array[]::text[] as settings
  from pg_catalog.pg_constraint as k
  join pg_catalog.pg_class as c on c.oid = k.conrelid
  where k.conrelid = any ($1) and k.contype = 'n' and k.convalidated
  order by k.conrelid, k.conkey`;

/**
 * Reads the columns of some relations, by the OID of the relation.
 *
 * @param adopted OIDs of relations that get their parents later
 */
export async function readColumns(
  session: Session,
  relations: readonly number[],
  adopted: readonly number[] = [],
): Promise<Map<number, Columns>> {
  if (relations.length === 0) return new Map();
  const { namedNotNull, generatedInChildren } = session.server;
  const [rows, notNull] = await session.together([
    session.read<ColumnRow>(columnsSql, [relations, namedNotNull, generatedInChildren, adopted]),
    namedNotNull ? session.read<ColumnRow>(notNullSql, [relations]) : [],
  ]);
  const grouped = new Map<number, ColumnRow[]>(relations.map((relation) => [relation, []]));
  for (const row of [...rows, ...notNull]) grouped.get(row.relation)?.push(row);
  return new Map([...grouped].map(([relation, columns]) => [relation, collect(columns)]));
}

function collect(rows: readonly ColumnRow[]): Columns {
  return {
    columns: rows.map(({ definition, inherited }) => ({ definition, inherited })),
    inline: rows.flatMap(({ classid, objid }) =>
      classid === null || objid === null ? [] : [keyOf(classid, objid)],
    ),
    settings: rows.flatMap(({ settings }) => settings),
  };
}
