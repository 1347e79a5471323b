import type { Session } from '../../session/session.ts';
import type { Member } from '../closure.ts';
import type { Column } from './columns.ts';

/** What is needed to create a child that `create table … inherits` could not create exactly. */
export interface Adoption {
  /** The name of a temporary parent. */
  readonly standIn: string;
  readonly parents: readonly string[];
  /** CHECK constraints, and from 18 on NOT NULL constraints, that the child must inherit before it gets its parents. */
  readonly constraints: readonly string[];
}

// CREATE TABLE puts inherited columns first, in the order of the parents, but a parent may have got a column later. And
// a constraint that is not valid on a parent that stays would be valid on a new child.
const adoptionsSql = /* sql */ `
  with columns as (
    select a.attrelid, a.attnum,
      pg_catalog.row_number() over (
        partition by a.attrelid order by p.inhseqno nulls last, p.attnum nulls last, a.attnum) as expected,
      pg_catalog.row_number() over (partition by a.attrelid order by a.attnum) as position
    from pg_catalog.pg_class as c
    join pg_catalog.pg_attribute as a on a.attrelid = c.oid
    left join lateral (
      select h.inhseqno, p.attnum
      from pg_catalog.pg_inherits as h
      join pg_catalog.pg_attribute as p
        on p.attrelid = h.inhparent and p.attname = a.attname and p.attnum > 0 and not p.attisdropped
      where h.inhrelid = a.attrelid
      order by h.inhseqno
      limit 1
    ) as p on true
    where c.oid = any ($2) and not c.relispartition and a.attnum > 0 and not a.attisdropped
  ),
  inherited as (
    select k.oid, k.conrelid, k.conname, k.contype, k.convalidated
    from pg_catalog.pg_constraint as k
    where k.conrelid = any ($2) and k.coninhcount > 0
      and (k.contype = 'n' and not k.conislocal
        or k.contype = 'c' and exists (
          select from pg_catalog.pg_inherits as h
          join pg_catalog.pg_constraint as o
            on o.conrelid = h.inhparent and o.contype = 'c' and o.conname = k.conname
          where h.inhrelid = k.conrelid and h.inhparent not in (select pg_catalog.unnest($1::oid[]))))
  )
  select c.oid::bigint as oid, pg_catalog.format('%I.%I', n.nspname, 'undrop stand-in') as "standIn",
    array(
      select pg_catalog.format('%I.%I', pn.nspname, p.relname)
      from pg_catalog.pg_inherits as h
      join pg_catalog.pg_class as p on p.oid = h.inhparent
      join pg_catalog.pg_namespace as pn on pn.oid = p.relnamespace
      where h.inhrelid = c.oid
      order by h.inhseqno) as parents,
    array(
      select pg_catalog.format('constraint %I %s', k.conname, pg_catalog.pg_get_constraintdef(k.oid))
      from inherited as k where k.conrelid = c.oid order by k.conname) as constraints
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.oid = any ($2) and not c.relispartition and c.relkind in ('r', 'f')
    and exists (select from pg_catalog.pg_inherits as h where h.inhrelid = c.oid)
    and (exists (select from columns as a where a.attrelid = c.oid and a.position <> a.expected)
      or exists (
        select from inherited as k where k.conrelid = c.oid and k.contype = 'c' and not k.convalidated))
  order by c.oid`;

export async function readAdoptions(
  session: Session,
  relations: ReadonlyMap<number, Member>,
): Promise<Map<number, Adoption>> {
  const children = [...relations.values()].filter(({ isChild }) => isChild).map(({ objid }) => objid);
  if (children.length === 0) return new Map();
  const rows = await session.read<Adoption & { oid: number }>(adoptionsSql, [
    [...relations.keys()],
    children,
  ]);
  return new Map(rows.map((row) => [row.oid, row]));
}

/**
 * Returns statements that create a child with its columns in their order. It inherits from a stand-in, which gets its
 * columns one by one. The columns stay inherited when the real parents replace the stand-in.
 *
 * @param create returns the statement that creates the child, given its first columns and its parent
 */
export function adopt(
  { standIn, parents, constraints }: Adoption,
  columns: readonly Column[],
  settings: readonly string[],
  create: (definitions: readonly string[], inherits: string) => string,
  alter: (action: string) => string,
): string[] {
  const start = columns.findIndex(({ definition, inherited }) => definition === null && inherited !== null);
  const first = start === -1 ? columns : columns.slice(0, start);
  const alterStandIn = (action: string) => `alter table ${standIn} ${action}`;
  const inherit = ({ inherited }: Column) => (inherited === null ? [] : [alterStandIn(`add ${inherited}`)]);
  return [
    `create table ${standIn} ()`,
    create(
      first.flatMap(({ definition }) => definition ?? []),
      ` inherits (${standIn})`,
    ),
    ...first.flatMap(inherit),
    ...columns
      .slice(first.length)
      .flatMap((column) => [
        ...(column.definition === null ? [] : [alter(`add ${column.definition}`)]),
        ...inherit(column),
      ]),
    ...settings.map(alter),
    ...constraints.map((constraint) => alterStandIn(`add ${constraint}`)),
    ...parents.map((parent) => alter(`inherit ${parent}`)),
    alter(`no inherit ${standIn}`),
    `drop table ${standIn}`,
  ];
}
