import type { Session } from '../session/session.ts';
import { type Closure, type Edge, type Member, membersIn, type ObjectKey } from './closure.ts';
import type { Obstacle } from './obstacle.ts';

/** How a closure is removed if its tables are moved, not dropped. */
export interface Division {
  /** The members that are dropped and recreated. All others are moved with their table. */
  readonly dropped: ReadonlySet<ObjectKey>;
  /** The partitions whose parent stays. */
  readonly detached: readonly Detached[];
  /** The members that cannot be moved. */
  readonly obstacles: readonly Obstacle[];
  /** Whether a member that is moved depends on one that is dropped. */
  readonly isBound: boolean;
}

// Whatever ALTER TABLE … SET SCHEMA moves, and statistics objects. It would also move triggers, rules and policies, but
// these name functions and tables of others, which could then not be dropped.
// https://www.postgresql.org/docs/current/sql-altertable.html
const movedSql = /* sql */ `
  with tables as (
    select c.oid, c.reltoastrelid
    from pg_catalog.pg_class as c
    where c.oid = any ($1::oid[]) and c.relkind in ('r', 'p', 'f')
  ),
  relations as (
    select t.oid from tables as t
    union all select t.reltoastrelid from tables as t
    union all
    select x.indexrelid
    from pg_catalog.pg_index as x
    where x.indrelid in (select t.oid from tables as t union all select t.reltoastrelid from tables as t)
    union all
    select d.objid
    from pg_catalog.pg_depend as d
    join pg_catalog.pg_class as s on s.oid = d.objid and s.relkind = 'S'
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refclassid = d.classid
      and d.deptype in ('a', 'i') and d.refobjid in (select t.oid from tables as t)
  ),
  constraints as (
    select k.oid
    from pg_catalog.pg_constraint as k
    where k.conrelid in (select t.oid from tables as t)
      and (k.contype in ('c', 'n', 'p', 'u', 'x')
        or k.contype = 'f' and k.confrelid in (select t.oid from tables as t))
  ),
  moved as (
    select c.tableoid as classid, c.oid as objid, false as droppable
    from pg_catalog.pg_class as c where c.oid in (select r.oid from relations as r)
    union all
    select y.tableoid, y.oid, false
    from pg_catalog.pg_type as y
    where y.typrelid in (select t.oid from tables as t)
      or y.oid in (
        select r.typarray from pg_catalog.pg_type as r where r.typrelid in (select t.oid from tables as t))
    union all
    select k.tableoid, k.oid, false from pg_catalog.pg_constraint as k where k.oid in (select own.oid from constraints as own)
    union all
    select t.tableoid, t.oid, false
    from pg_catalog.pg_trigger as t
    where t.tgisinternal and t.tgconstraint in (select k.oid from constraints as k)
    union all
    select s.tableoid, s.oid, false
    from pg_catalog.pg_statistic_ext as s where s.stxrelid in (select t.oid from tables as t)
    union all
    -- the expression of a generated column cannot be dropped without its values
    select f.tableoid, f.oid, a.attgenerated = ''
    from pg_catalog.pg_attrdef as f
    join pg_catalog.pg_attribute as a on a.attrelid = f.adrelid and a.attnum = f.adnum
    where f.adrelid in (select t.oid from tables as t)
  )
  select pg_catalog.concat(m.classid, '/', m.objid) as key, m.droppable
  from moved as m
  order by m.classid, m.objid`;

interface Detached {
  /** The link between the partition and its parent: its row in `pg_inherits`. */
  readonly link: ObjectKey;
  readonly sql: string;
}

// ATTACH PARTITION marks columns and constraints as inherited again, but INHERIT does not.
const childrenSql = /* sql */ `
  select pg_catalog.concat(h.tableoid, '/', h.inhrelid) as link, c.relispartition as "isPartition",
    pg_catalog.format('alter table %s detach partition %s', p.identity, i.identity) as sql,
    i.identity, pg_catalog.format('it is a child of %s, which stays', p.identity) as reason
  from pg_catalog.pg_inherits as h
  join pg_catalog.pg_class as c on c.oid = h.inhrelid and c.relkind in ('r', 'p', 'f')
  cross join lateral pg_catalog.pg_identify_object(c.tableoid, h.inhrelid, 0) as i
  cross join lateral pg_catalog.pg_identify_object(c.tableoid, h.inhparent, 0) as p
  where h.inhrelid = any ($1::oid[]) and h.inhparent not in (select pg_catalog.unnest($1::oid[]))
  order by i.identity, p.identity`;

/**
 * Divides a closure whose tables are moved. A default that depends on a member that is dropped is dropped too; any other
 * such part is an obstacle.
 */
export async function divide(session: Session, closure: Closure, edges: readonly Edge[]): Promise<Division> {
  const relations = [...membersIn(closure, 'pg_class').keys()];
  const [parts, children] = await session.together([
    session.read<{ key: ObjectKey; droppable: boolean }>(movedSql, [relations]),
    session.read<Detached & Obstacle & { isPartition: boolean }>(childrenSql, [relations]),
  ]);
  const droppable = new Map(parts.map((part) => [part.key, part.droppable]));
  const members = new Map(closure.members.map((member) => [member.key, member]));
  // The attributes of composite types refer to the moved tables.
  const dropped = new Set(
    [...members.values()]
      .filter(({ key, kind }) => !droppable.has(key) && kind !== 'composite type column')
      .map(({ key }) => key),
  );
  const bound = edges.filter(({ from, to }) => !dropped.has(from) && dropped.has(to));
  for (const { from } of bound) if (droppable.get(from) === true) dropped.add(from);
  const bonds = bound
    .filter(({ from }) => !dropped.has(from))
    .map(({ from, to }) => ({
      identity: members.get(from)?.identity ?? from,
      reason: `it depends on ${describe(members.get(to))}, which would be dropped`,
    }));
  return {
    dropped,
    detached: children.filter(({ isPartition }) => isPartition),
    isBound: bonds.length > 0,
    obstacles: [...children.filter(({ isPartition }) => !isPartition), ...bonds].map(withAdvice),
  };
}

function describe(member: Member | undefined): string {
  return `${member?.kind} ${member?.identity}`;
}

function withAdvice({ identity, reason }: Obstacle): Obstacle {
  return { identity, reason: `${reason}, so the table cannot be moved; rows: 'copy' can` };
}
