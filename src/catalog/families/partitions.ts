import type { Session } from '../../session/session.ts';
import { type Closure, keyOf, membersIn, type ObjectKey } from '../closure.ts';
import type { Piece } from '../piece.ts';

interface PartitionRow {
  oid: number;
  inherits: number;
  parent: number;
  sql: string;
  parts: ObjectKey[];
}

const partitionsSql = /* sql */ `
  select c.oid::bigint as oid, h.tableoid::bigint as inherits, h.inhparent::bigint as parent,
    pg_catalog.format('alter table only %I.%I attach partition %I.%I %s', pn.nspname, p.relname, n.nspname, c.relname,
      pg_catalog.pg_get_expr(c.relpartbound, c.oid)) as sql,
    array(
      select x.tableoid::bigint || '/' || x.oid::bigint from pg_catalog.pg_index as i
      join pg_catalog.pg_class as x on x.oid = i.indexrelid where i.indrelid = c.oid
      union all
      select k.tableoid::bigint || '/' || k.oid::bigint from pg_catalog.pg_constraint as k
      where k.conrelid = c.oid and k.contype in ('c', 'f', 'p', 'u', 'x')
        -- a foreign key only if it is a part of one that stays
        and (k.contype <> 'f' or k.conparentid <> 0 and k.conparentid not in (select pg_catalog.unnest($2::oid[])))
        -- not the clones for the partitions of a referenced table
        and not exists (
          select from pg_catalog.pg_constraint as o where o.oid = k.conparentid and o.conrelid = k.conrelid)
    ) as parts
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_inherits as h on h.inhrelid = c.oid
  join pg_catalog.pg_class as p on p.oid = h.inhparent
  join pg_catalog.pg_namespace as pn on pn.oid = p.relnamespace
  where c.oid = any ($1) and c.relispartition and c.relkind in ('r', 'p', 'f')
  order by n.nspname, c.relname`;

interface LocalRow {
  oid: number;
  needs: ObjectKey[];
  sql: string;
}

// A NOT NULL constraint of a partition remains its own if the parent got one later. When a partition is attached, its
// constraints become inherited ones. SET NOT NULL makes them its own again; it would also validate one that is its own.
// https://www.postgresql.org/docs/18/catalog-pg-constraint.html (conislocal)
const localSql = /* sql */ `
  select k.oid::bigint as oid,
    pg_catalog.format('alter table only %I.%I alter column %I set not null', n.nspname, c.relname, a.attname) as sql,
    -- it changes the link between the partition and its parent
    array[h.tableoid::bigint || '/' || h.inhrelid::bigint, k.tableoid::bigint || '/' || k.oid::bigint] as needs
  from pg_catalog.pg_constraint as k
  join pg_catalog.pg_class as c on c.oid = k.conrelid and c.relispartition
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
  join pg_catalog.pg_inherits as h on h.inhrelid = k.conrelid
  where k.oid = any ($1) and k.contype = 'n' and k.conislocal and k.coninhcount > 0
    and (k.convalidated or h.inhparent not in (select pg_catalog.unnest($2::oid[])))
  order by n.nspname, c.relname, a.attname`;

/** Returns the statements for NOT NULL constraints of partitions that are inherited, but also their own. */
async function captureLocal(session: Session, closure: Closure): Promise<Piece[]> {
  const constraints = membersIn(closure, 'pg_constraint');
  const relations = [...membersIn(closure, 'pg_class').keys()];
  const rows = await session.read<LocalRow>(localSql, [[...constraints.keys()], relations]);
  return rows.flatMap(({ oid, needs, sql }) => {
    const member = constraints.get(oid);
    return member === undefined
      ? []
      : [{ phase: 'clone', kind: member.kind, identity: member.identity, creates: [], needs, sql: [sql] }];
  });
}

/**
 * Captures the attachment of partitions. To a parent that is restored, partitions are attached before it has indexes,
 * keys or triggers, which would be cloned. To a parent that stays, they are attached after their own indexes and
 * constraints were created.
 */
export async function capturePartitions(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_class');
  const children = [...members.values()].filter(({ isChild }) => isChild);
  if (children.length === 0) return [];
  const rows = await session.read<PartitionRow>(partitionsSql, [
    children.map(({ objid }) => objid),
    [...membersIn(closure, 'pg_constraint').keys()],
  ]);
  const attachments = rows.flatMap((row) => {
    const member = members.get(row.oid);
    if (member === undefined) return [];
    const parent = members.get(row.parent);
    const needs = parent === undefined ? [member.key, ...row.parts] : [member.key, parent.key];
    const phase = parent === undefined ? ('late attach' as const) : ('attach' as const);
    const { kind, identity } = member;
    return [{ phase, kind, identity, creates: [keyOf(row.inherits, row.oid)], needs, sql: [row.sql] }];
  });
  return [...attachments, ...(session.server.namedNotNull ? await captureLocal(session, closure) : [])];
}
