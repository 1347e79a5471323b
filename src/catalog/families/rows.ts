import type { Session } from '../../session/session.ts';
import { type Closure, membersIn } from '../closure.ts';
import type { Piece } from '../piece.ts';

/** A table whose rows are to be copied. */
export interface RowTable {
  /** Qualified and quoted. */
  readonly table: string;
  /** The table in the archive that contains the copy. */
  readonly store: string;
  /** The statements that create the store. */
  readonly create: string;
  /** The statement that copies the rows. */
  readonly fill: string;
}

interface RowsRow {
  oid: number;
  name: string;
  columns: string | null;
  kept: string | null;
  brought: string | null;
  storage: string | null;
}

/**
 * SQL for a lateral subquery: the size of a relation, alias `c`, and whether it may contain rows. An empty file contains none.
 * The size is meaningful only for the access method heap. Reading it locks the relation, so it must not be read of others:
 * because of OFFSET, the server reads it after all conditions on `c`.
 */
export const sizeSql = /* sql */ `lateral (
    select s.bytes, s.bytes > 0 or c.relam <> (select m.oid from pg_catalog.pg_am as m where m.amname = 'heap') as filled
    from (select pg_catalog.pg_relation_size(c.oid) as bytes) as s
    offset 0
  )`;

// Values of types that are dropped with the tables are stored as text, because the drop would also drop the column of
// the store. The store uses storage external, so that it does not compress values.
const tablesSql = /* sql */ `
  select c.oid::bigint as oid, pg_catalog.format('%I.%I', n.nspname, c.relname) as name,
    a.columns, a.kept, a.brought, a.storage
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  cross join lateral (
    select
      pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by a.attnum) as columns,
      pg_catalog.string_agg(pg_catalog.format(
        case when a.atttypid in (select pg_catalog.unnest($2::oid[])) then 't.%1$I::text as %1$I' else 't.%1$I' end, a.attname),
        ', ' order by a.attnum) as kept,
      pg_catalog.string_agg(pg_catalog.format(
        case when a.atttypid in (select pg_catalog.unnest($2::oid[])) then 's.%I::%s' else 's.%I' end,
        a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' order by a.attnum) as brought,
      pg_catalog.string_agg(pg_catalog.format('alter column %I set storage external', a.attname), ', '
        order by a.attnum) filter (where y.typstorage <> 'p' and a.atttypid not in (select pg_catalog.unnest($2::oid[]))) as storage
    from pg_catalog.pg_attribute as a
    join pg_catalog.pg_type as y on y.oid = a.atttypid
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
  ) as a
  cross join ${sizeSql} as z
  where c.oid = any ($1) and c.relkind = 'r' and z.filled
  order by n.nspname, c.relname`;

/**
 * Returns the tables of the closure that may contain rows, and the pieces that restore the rows. Generated columns are
 * computed again.
 *
 * @param storeOf returns the table in the archive that contains the rows, given the table and its number from 1
 */
export async function captureRows(
  session: Session,
  closure: Closure,
  storeOf: (table: string, number: number) => string,
): Promise<{ tables: RowTable[]; pieces: Piece[] }> {
  const members = membersIn(closure, 'pg_class');
  const found = await session.read<RowsRow>(tablesSql, [
    [...members.keys()],
    [...membersIn(closure, 'pg_type').keys()],
  ]);
  const tables: RowTable[] = [];
  const pieces: Piece[] = [];
  for (const { oid, name, columns, kept, brought, storage } of found) {
    const member = members.get(oid);
    if (member === undefined) continue;
    const store = storeOf(name, tables.length + 1);
    const select = `select ${kept ?? ''} from only ${name} as t`;
    tables.push({
      table: name,
      store,
      create: [
        `create table ${store} as ${select} with no data`,
        ...(storage === null ? [] : [`alter table ${store} ${storage}`]),
      ].join(';\n'),
      // CREATE TABLE AS with data could read in parallel, and so change the order of the rows.
      fill: `insert into ${store} ${select}`,
    });
    pieces.push({
      phase: 'rows',
      kind: 'rows',
      identity: name,
      creates: [],
      needs: [member.key],
      sql: [
        `insert into ${name} ${columns === null ? '' : `(${columns}) `}overriding system value\n` +
          `select ${brought ?? ''} from ${store} as s`,
      ],
    });
  }
  return { tables, pieces };
}
