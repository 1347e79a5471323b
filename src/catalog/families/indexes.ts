import type { Session } from '../../session/session.ts';
import { type Closure, keyOf, membersIn, type ObjectKey, readAbout } from '../closure.ts';
import { addsTo, makes, type Piece } from '../piece.ts';
import { olderIndexesSql } from './referenced-indexes.ts';

interface IndexRow {
  oid: number;
  /** Null for the index of a key, which its constraint creates. */
  create: string | null;
  tablespace: string | null;
  /** The attached partitions of its table. */
  needs: ObjectKey[];
  /** The index of the parent that it is attached to. */
  parent: number | null;
  inherits: number | null;
  attach: string | null;
  marks: string[];
}

// If the parent of a partition stays, ATTACH PARTITION links the first index that matches. The indexes are therefore
// created in the order of the parent's. Exclusion constraints are cloned with their index.
const indexesSql = /* sql */ `
  select i.indexrelid::bigint as oid,
    case when k.oid is null then pg_catalog.pg_get_indexdef(i.indexrelid) end as create,
    case when k.oid is null then (
      select pg_catalog.format('alter index %I.%I set tablespace %I', n.nspname, c.relname, s.spcname)
      from pg_catalog.pg_tablespace as s where s.oid = c.reltablespace)
    end as tablespace,
    array(
      select h.tableoid::bigint || '/' || h.inhrelid::bigint
      from pg_catalog.pg_inherits as h where h.inhparent = i.indrelid
      union all
      -- the indexes that foreign keys would reference otherwise
      ${olderIndexesSql('i.indexrelid')}) as needs,
    p.oid::bigint as parent, h.tableoid::bigint as inherits,
    case when p.oid is not null and not i.indisexclusion and not coalesce((pg_catalog.to_jsonb(k) ->> 'conperiod')::boolean, false) then
      pg_catalog.format('alter index %I.%I attach partition %I.%I', pn.nspname, p.relname, n.nspname, c.relname)
    end as attach,
    array_remove(
      array(
        select pg_catalog.format('alter index %I.%I alter column %s set statistics %s',
          n.nspname, c.relname, a.attnum, a.attstattarget)
        from pg_catalog.pg_attribute as a
        where a.attrelid = c.oid and a.attstattarget >= 0
        order by a.attnum)
      || case when i.indisclustered then
        pg_catalog.format('alter table only %I.%I cluster on %I', tn.nspname, t.relname, c.relname) end
      || case when i.indisreplident then
        pg_catalog.format('alter table only %I.%I replica identity using index %I', tn.nspname, t.relname, c.relname) end,
      null) as marks
  from pg_catalog.pg_index as i
  join pg_catalog.pg_class as c on c.oid = i.indexrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_class as t on t.oid = i.indrelid
  join pg_catalog.pg_namespace as tn on tn.oid = t.relnamespace
  left join pg_catalog.pg_constraint as k
    on k.conrelid = i.indrelid and k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')
  left join pg_catalog.pg_inherits as h on h.inhrelid = i.indexrelid
  left join pg_catalog.pg_class as p on p.oid = h.inhparent
  left join pg_catalog.pg_namespace as pn on pn.oid = p.relnamespace
  where i.indexrelid = any ($1) and n.nspname <> 'pg_toast'
  order by h.inhparent, n.nspname, c.relname`;

/**
 * Captures indexes and their marks: clustered, replica identity, statistics targets. Constraints create the indexes of
 * keys.
 */
export async function captureIndexes(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_class');
  const rows = await readAbout<IndexRow>(session, indexesSql, members);
  return rows.flatMap((row): Piece[] => {
    const member = members.get(row.oid);
    if (member === undefined) return [];
    const { kind, identity } = member;
    const parent = members.get(row.parent ?? 0);
    const attach =
      parent === undefined || row.attach === null || row.inherits === null
        ? []
        : [
            {
              ...{ phase: 'attach index' as const, kind, identity, sql: [row.attach] },
              creates: [keyOf(row.inherits, row.oid)],
              needs: [member.key, parent.key],
            },
          ];
    return [
      ...(row.create === null
        ? []
        : [{ ...makes(member, 'index', [row.create, row.tablespace]), needs: row.needs }]),
      ...attach,
      ...addsTo(member, 'mark', row.marks),
    ];
  });
}
