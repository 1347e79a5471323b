import type { Session } from '../../session/session.ts';
import { type Closure, lostAttributes } from '../closure.ts';
import { makes, type Piece } from '../piece.ts';

interface TypeRow {
  relation: number;
  sql: string;
  comments: string[];
}

// ALTER TYPE adds an attribute at the end only, so the attributes after the first lost one are dropped and added too.
const typesSql = /* sql */ `
  with lost as (
    select l.relation, pg_catalog.min(l.number) as first, pg_catalog.array_agg(l.number) as numbers
    from unnest($1::oid[], $2::int[]) as l (relation, number)
    group by l.relation
  )
  select l.relation::bigint as relation,
    pg_catalog.format('alter type %I.%I ', n.nspname, c.relname) || pg_catalog.concat_ws(', ',
      pg_catalog.string_agg(pg_catalog.format('drop attribute %I', a.attname), ', ' order by a.attnum)
        filter (where a.attnum <> all (l.numbers)),
      pg_catalog.string_agg(pg_catalog.concat('add attribute ', pg_catalog.quote_ident(a.attname), ' ',
        pg_catalog.format_type(a.atttypid, a.atttypmod), pg_catalog.repeat('[]', a.attndims - 1),
        (select pg_catalog.format(' collate %I.%I', k_n.nspname, k.collname)
         from pg_catalog.pg_collation as k
         join pg_catalog.pg_namespace as k_n on k_n.oid = k.collnamespace
         where k.oid = a.attcollation and a.attcollation <> t.typcollation)), ', ' order by a.attnum)) as sql,
    array_remove(pg_catalog.array_agg(
      case when d.description is not null then
        pg_catalog.format('comment on column %I.%I.%I is %L', n.nspname, c.relname, a.attname, d.description)
      end order by a.attnum), null) as comments
  from lost as l
  join pg_catalog.pg_class as c on c.oid = l.relation
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum >= l.first and not a.attisdropped
  join pg_catalog.pg_type as t on t.oid = a.atttypid
  left join pg_catalog.pg_description as d
    on d.classoid = c.tableoid and d.objoid = c.oid and d.objsubid = a.attnum
  group by l.relation, l.numbers, n.nspname, c.relname
  order by n.nspname, c.relname`;

/** Captures the attributes that composite types lose in the drop. The types themselves stay. */
export async function captureTypes(session: Session, closure: Closure): Promise<Piece[]> {
  const lost = lostAttributes(closure);
  if (lost.length === 0) return [];
  const rows = await session.read<TypeRow>(typesSql, [
    lost.map(({ objid }) => objid),
    lost.map(({ objsubid }) => objsubid),
  ]);
  return rows.flatMap(({ relation, sql, comments }) => {
    const member = lost.find(({ objid }) => objid === relation);
    return member === undefined ? [] : [makes(member, 'type', [sql, ...comments])];
  });
}
