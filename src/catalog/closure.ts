import type { Session } from '../session/session.ts';

/** `classid/objid`: addresses an object inside one snapshot. */
export type ObjectKey = `${number}/${number}`;

/** The address of an object that the drop would remove. */
export interface Reached {
  readonly key: ObjectKey;
  readonly classid: number;
  readonly objid: number;
  /** 0 for a whole object, or the number of a column that another table would lose. */
  readonly objsubid: number;
  /** The catalog that contains it, such as `pg_class`. */
  readonly catalog: string;
}

/** An object that the drop would remove. */
export interface Member extends Reached {
  /** The type that `pg_identify_object` returns: `table`, `view`, `table constraint`, `default value`, … */
  readonly kind: string;
  readonly schema: string | null;
  readonly identity: string;
  /** Whether it belongs to a named table. If not, it is a dependent object. */
  readonly own: boolean;
  /** The object that it is a part of and is restored with: the row type of an array type, the key of an index. */
  readonly partOf: ObjectKey | null;
  /** Whether it inherits from a table, or is a partition. */
  readonly isChild: boolean;
  /** Whether it uses operators that are not built in. */
  readonly hasOperators: boolean;
  /** Whether it was made dependent on an extension, by `alter … depends on extension`. */
  readonly hasExtension: boolean;
}

/** `from` depends on `to`: it can only be created when `to` exists. */
export interface Edge {
  readonly from: ObjectKey;
  readonly to: ObjectKey;
}

/** All objects that `drop table … cascade` of some tables would remove, and the survivors. */
export interface Closure {
  /** The OIDs of the named tables. */
  readonly tables: readonly number[];
  readonly members: readonly Member[];
  /** Relations that stay but lose something: a referenced table, the table of a policy. */
  readonly survivors: readonly Survivor[];
}

/** A closure without the names of its members. */
export interface Reach {
  readonly members: readonly Reached[];
  readonly survivors: readonly Survivor[];
}

export interface Survivor {
  readonly oid: number;
  readonly kind: string;
  readonly identity: string;
}

export function keyOf(classid: number, objid: number): ObjectKey {
  return `${classid}/${objid}`;
}

/** Returns the members in one catalog by OID. */
export function membersIn(closure: Closure, catalog: string): Map<number, Member> {
  const members = closure.members.filter((member) => member.catalog === catalog && member.objsubid === 0);
  return new Map(members.map((member) => [member.objid, member]));
}

/** Returns the types that are not a part of another object, unlike row types and array types. */
export function typesOf(closure: Closure): Map<number, Member> {
  return new Map([...membersIn(closure, 'pg_type')].filter(([, { partOf }]) => partOf === null));
}

/**
 * Runs a query whose only parameter is the OIDs of some members. Without members, returns no rows and runs no query.
 */
export async function readAbout<Row extends object>(
  session: Session,
  sql: string,
  members: ReadonlyMap<number, Member>,
): Promise<Row[]> {
  return members.size === 0 ? [] : session.read<Row>(sql, [[...members.keys()]]);
}

/** Returns the attributes that composite types lose: those types stay. */
export function lostAttributes({ members }: Closure): Member[] {
  return members.filter(({ kind }) => kind === 'composite type column');
}

export function dependents(closure: Closure): Member[] {
  return closure.members.filter((member) => !member.own && member.partOf === null);
}

// Dependent objects are followed through every type of dependency. An object that is internal to another one, or
// belongs to an extension, adds that object too. https://www.postgresql.org/docs/current/catalog-pg-depend.html
// Objects that are reached without a normal dependency belong to the tables: a plain DROP TABLE removes them.
const reachSql = /* sql */ `
  with recursive closure (classid, objid, objsubid) as (
    select 'pg_catalog.pg_class'::pg_catalog.regclass::oid, t.oid, 0
    from pg_catalog.unnest($1::oid[]) as t (oid)
    union
    select next.classid, next.objid, next.objsubid
    from closure as c
    cross join lateral (
      select d.classid, d.objid, d.objsubid
      from pg_catalog.pg_depend as d
      where d.refclassid = c.classid and d.refobjid = c.objid
        and (c.objsubid = 0 or d.refobjsubid = c.objsubid)
      union all
      select d.refclassid, d.refobjid, d.refobjsubid
      from pg_catalog.pg_depend as d
      where d.classid = c.classid and d.objid = c.objid
        and (c.objsubid = 0 or d.objsubid = c.objsubid)
        and d.deptype in ('i', 'e')
    ) as next
  ),
  members as (
    select c.classid, c.objid, c.objsubid
    from closure as c
    -- a column is dropped with its table
    where c.objsubid = 0
      or not exists (
        select from closure as whole
        where whole.classid = c.classid and whole.objid = c.objid and whole.objsubid = 0)
  )`;

const reachedColumns = /* sql */ `
  pg_catalog.concat(m.classid, '/', m.objid) as key, m.classid::bigint, m.objid::bigint, m.objsubid,
  (select c.relname from pg_catalog.pg_class as c where c.oid = m.classid) as catalog`;

const closureSql = /* sql */ `
  ${reachSql},
  own (classid, objid, objsubid) as (
    select 'pg_catalog.pg_class'::pg_catalog.regclass::oid, t.oid, 0
    from pg_catalog.unnest($1::oid[]) as t (oid)
    union
    select next.classid, next.objid, next.objsubid
    from own as o
    -- uses the index for each object: one scan of pg_depend takes longer in a large database
    cross join lateral (
      select d.classid, d.objid, d.objsubid
      from pg_catalog.pg_depend as d
      where d.refclassid = o.classid and d.refobjid = o.objid
        and (o.objsubid = 0 or d.refobjsubid = o.objsubid)
        and d.deptype <> 'n'
      offset 0
    ) as next
  )
  select ${reachedColumns}, i.type as kind, i.schema, i.identity,
    (m.classid, m.objid, 0) in (select o.classid, o.objid, o.objsubid from own as o)
      or (m.classid, m.objid, m.objsubid) in (select o.classid, o.objid, o.objsubid from own as o) as own,
    d.*
  from members as m
  cross join lateral pg_catalog.pg_identify_object(m.classid, m.objid, m.objsubid) as i
  cross join lateral (
    select
      -- the index of a TOAST table is not internal to it, but comes with it
      pg_catalog.min(d.refclassid::bigint || '/' || d.refobjid::bigint)
        filter (where m.objsubid = 0 and d.objsubid = 0 and (d.deptype = 'i' or i.schema = 'pg_toast')) as "partOf",
      coalesce(pg_catalog.bool_or(i.type in ('table', 'foreign table') and d.objsubid = 0 and d.refobjsubid = 0
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass), false) as "isChild",
      coalesce(pg_catalog.bool_or(d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass), false) as "hasOperators",
      coalesce(pg_catalog.bool_or(d.deptype = 'x'), false) as "hasExtension"
    from pg_catalog.pg_depend as d
    where d.classid = m.classid and d.objid = m.objid
  ) as d
  order by i.type, i.identity, m.objid`;

const edgesSql = /* sql */ `
  select distinct
    d.classid::bigint || '/' || d.objid::bigint as "from",
    d.refclassid::bigint || '/' || d.refobjid::bigint as "to"
  from unnest($1::oid[], $2::oid[]) as m (classid, objid)
  cross join lateral (
    select * from pg_catalog.pg_depend as d where d.classid = m.classid and d.objid = m.objid offset 0) as d
  where (d.classid, d.objid) <> (d.refclassid, d.refobjid)
    and (d.refclassid, d.refobjid) in (select r.classid, r.objid from unnest($1::oid[], $2::oid[]) as r (classid, objid))
    -- a partition's part may be created before the object of the parent, and attached to it later
    and d.deptype <> 'P'
  order by 1, 2`;

const survivorsSql = /* sql */ `
  select h.oid::bigint as oid, i.type as kind, i.identity
  from (
    select unnest(array[k.conrelid, k.confrelid]) as oid from pg_catalog.pg_constraint as k where k.oid = any ($1::oid[])
    union select d.adrelid from pg_catalog.pg_attrdef as d where d.oid = any ($2::oid[])
    union select r.ev_class from pg_catalog.pg_rewrite as r where r.oid = any ($3::oid[])
    union select t.tgrelid from pg_catalog.pg_trigger as t where t.oid = any ($4::oid[])
    union select p.polrelid from pg_catalog.pg_policy as p where p.oid = any ($5::oid[])
    union select n.inhparent from pg_catalog.pg_inherits as n where n.inhrelid = any ($6::oid[])
    union select x.indrelid from pg_catalog.pg_index as x where x.indexrelid = any ($6::oid[])
    union select o.oid from pg_catalog.unnest($7::oid[]) as o (oid)
  ) as h
  cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, h.oid, 0) as i
  -- A constraint of a domain has no relation. The server hashes a subquery, but not an array.
  where h.oid not in (select pg_catalog.unnest($6::oid[])) and i.identity is not null
  order by h.oid`;

/** Reads the closure of some tables, without locking them. */
export async function readClosure(session: Session, tables: readonly number[]): Promise<Closure> {
  const members = await session.read<Member>(closureSql, [tables]);
  return { tables, members, survivors: await readSurvivors(session, members) };
}

/** Reads the closure without names, in about half the time. */
export async function readReach(session: Session, tables: readonly number[]): Promise<Reach> {
  const members = await session.read<Reached>(`${reachSql}\nselect ${reachedColumns} from members as m`, [
    tables,
  ]);
  return { members, survivors: await readSurvivors(session, members) };
}

function readSurvivors(session: Session, members: readonly Reached[]): Promise<Survivor[]> {
  const oids = (catalog: string) =>
    members.filter((m) => m.catalog === catalog && m.objsubid === 0).map(({ objid }) => objid);
  return session.read<Survivor>(survivorsSql, [
    oids('pg_constraint'),
    oids('pg_attrdef'),
    oids('pg_rewrite'),
    oids('pg_trigger'),
    oids('pg_policy'),
    oids('pg_class'),
    // Of all objects, only columns of relations have a number.
    members.filter((m) => m.objsubid !== 0).map((m) => m.objid),
  ]);
}

/** Reads the dependencies between members of a closure. */
export function readEdges(session: Session, { members }: Closure): Promise<Edge[]> {
  return session.read<Edge>(edgesSql, [
    members.map((member) => member.classid),
    members.map((member) => member.objid),
  ]);
}
