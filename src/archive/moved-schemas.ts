import type { Statement } from '../capture/capture.ts';
import { type Closure, membersIn } from '../catalog/closure.ts';
import { parseTableName, quoteName } from '../options/table-name.ts';
import type { Session } from '../session/session.ts';

/** The tables of one schema that an entry keeps as they are, in a schema of the archive. Names are not quoted. */
export interface MovedSchema {
  readonly schema: string;
  /** The schema of the archive: `undrop_moved_7_1`. */
  readonly store: string;
  readonly tables: readonly { name: string; oid: number; foreign: boolean }[];
  /** Statistics objects do not move with their table. */
  readonly statistics: readonly string[];
}

/** SQL: what an entry has moved, a row of `undrop.drops`. Reads archives of every format; the fifth has the column. */
export function movedSql(entry: string): string {
  return /* sql */ `coalesce(nullif(pg_catalog.to_jsonb(${entry}) -> 'moved', 'null'), '[]')`;
}

/** SQL: the disk space that the moved tables of an entry take now, in bytes. */
export function movedBytesSql(entry: string): string {
  return /* sql */ `(
      select coalesce(pg_catalog.sum(pg_catalog.pg_total_relation_size(c.oid)), 0)
      from pg_catalog.jsonb_to_recordset(${movedSql(entry)}) as m (store text, tables jsonb)
      cross join lateral pg_catalog.jsonb_to_recordset(m.tables) as t (name text)
      join pg_catalog.pg_namespace as n on n.nspname = m.store
      join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = t.name)`;
}

const planSql = /* sql */ `
  select n.nspname as schema,
    pg_catalog.format('undrop_moved_%s_%s', $2::bigint, pg_catalog.row_number() over (order by n.nspname)) as store,
    pg_catalog.jsonb_agg(m.value order by m.name) filter (where m.is_table) as tables,
    coalesce(pg_catalog.jsonb_agg(m.name order by m.name) filter (where not m.is_table), '[]') as statistics
  from (
    select c.relnamespace as namespace, c.relname as name, true as is_table,
      pg_catalog.jsonb_build_object('name', c.relname, 'oid', c.oid::bigint, 'foreign', c.relkind = 'f') as value
    from pg_catalog.pg_class as c
    where c.oid = any ($1::oid[]) and c.relkind in ('r', 'p', 'f')
    union all
    select s.stxnamespace, s.stxname, false, null
    from pg_catalog.pg_statistic_ext as s
    join pg_catalog.pg_class as c on c.oid = s.stxrelid and c.relkind in ('r', 'p', 'f')
    where s.stxrelid = any ($1::oid[])
  ) as m
  join pg_catalog.pg_namespace as n on n.oid = m.namespace
  group by n.nspname
  order by n.nspname`;

/** Returns where the tables of a closure are moved to: one schema of the archive for each of theirs. */
export async function planMoves(session: Session, closure: Closure, entry: number): Promise<MovedSchema[]> {
  const moved = await session.read<MovedSchema>(planSql, [[...membersIn(closure, 'pg_class').keys()], entry]);
  return moved.map(({ tables, ...rest }) => ({ ...rest, tables: tables ?? [] }));
}

/** Where a table, qualified and quoted, was moved to; undefined where it was not moved. */
export function storeOfMoved(moved: readonly MovedSchema[], table: string): string | undefined {
  const { schema, name } = parseTableName(table);
  const place = moved.find((one) => one.schema === schema);
  return place === undefined ? undefined : `${place.store}.${quoteName(name)}`;
}

/** The tables that had rows when they were moved, and where they are. */
export function movedRows(
  statements: readonly Statement[],
  moved: readonly MovedSchema[],
): { table: string; store: string }[] {
  return statements.flatMap(({ kind, identity }) => {
    const store = kind === 'rows' ? storeOfMoved(moved, identity) : undefined;
    return store === undefined ? [] : [{ table: identity, store }];
  });
}
