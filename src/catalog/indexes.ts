import type { Session } from '../session.ts';
import { type Closure, membersIn } from './closure.ts';
import { addsTo, makes, type Piece } from './piece.ts';

interface IndexRow {
  oid: number;
  /** Null for the index of a key, which its constraint makes. */
  create: string | null;
  tablespace: string | null;
  statistics: string[] | null;
  clustered: string | null;
  identity: string | null;
}

const indexesSql = /* sql */ `
  select i.indexrelid::bigint as oid,
    case when k.oid is null then pg_catalog.pg_get_indexdef(i.indexrelid) end as create,
    case when k.oid is null then (
      select pg_catalog.format('alter index %I.%I set tablespace %I', n.nspname, c.relname, s.spcname)
      from pg_catalog.pg_tablespace as s where s.oid = c.reltablespace)
    end as tablespace,
    (select pg_catalog.json_agg(
       pg_catalog.format('alter index %I.%I alter column %s set statistics %s', n.nspname, c.relname, a.attnum, a.attstattarget)
       order by a.attnum)
     from pg_catalog.pg_attribute as a
     where a.attrelid = c.oid and a.attstattarget >= 0) as statistics,
    case when i.indisclustered then
      pg_catalog.format('alter table only %I.%I cluster on %I', tn.nspname, t.relname, c.relname)
    end as clustered,
    case when i.indisreplident then
      pg_catalog.format('alter table only %I.%I replica identity using index %I', tn.nspname, t.relname, c.relname)
    end as identity
  from pg_catalog.pg_index as i
  join pg_catalog.pg_class as c on c.oid = i.indexrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_class as t on t.oid = i.indrelid
  join pg_catalog.pg_namespace as tn on tn.oid = t.relnamespace
  left join pg_catalog.pg_constraint as k
    on k.conrelid = i.indrelid and k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')
  where i.indexrelid = any ($1) and n.nspname <> 'pg_toast'
  order by n.nspname, c.relname`;

/** Indexes, and what is marked on them; the index of a key comes with its constraint. */
export async function captureIndexes(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_class');
  const rows = await session.read<IndexRow>(indexesSql, [[...members.keys()]]);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    if (member === undefined) return [];
    return [
      ...(row.create === null ? [] : [makes(member, 'index', [row.create, row.tablespace])]),
      ...addsTo(member, 'mark', [...(row.statistics ?? []), row.clustered, row.identity]),
    ];
  });
}
