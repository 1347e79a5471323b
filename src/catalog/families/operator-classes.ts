import type { Session } from '../../session/session.ts';
import { type Closure, keyOf, type Member } from '../closure.ts';
import { makes, type Piece } from '../piece.ts';

interface ClassRow {
  classid: number;
  oid: number;
  create: string;
  /** Written even if it is the type itself, because a class may have no other item. */
  storage: string;
  owner: string;
}

interface ItemRow {
  classid: number;
  oid: number;
  /** The class that it belongs to; null if it belongs to the family only. */
  holder: string | null;
  item: string;
  family: string;
}

const classesSql = /* sql */ `
  select c.tableoid::bigint as classid, c.oid::bigint as oid,
    pg_catalog.format('create operator class %I.%I%s for type %s using %I family %I.%I as',
      n.nspname, c.opcname, case when c.opcdefault then ' default' end, pg_catalog.format_type(c.opcintype, null),
      m.amname, f_n.nspname, f.opfname) as create,
    'storage ' || pg_catalog.format_type(coalesce(nullif(c.opckeytype, 0), c.opcintype), null) as storage,
    pg_catalog.format('alter operator class %I.%I using %I owner to %I',
      n.nspname, c.opcname, m.amname, pg_catalog.pg_get_userbyid(c.opcowner)) as owner
  from pg_catalog.pg_opclass as c
  join pg_catalog.pg_namespace as n on n.oid = c.opcnamespace
  join pg_catalog.pg_am as m on m.oid = c.opcmethod
  join pg_catalog.pg_opfamily as f on f.oid = c.opcfamily
  join pg_catalog.pg_namespace as f_n on f_n.oid = f.opfnamespace
  where c.oid = any ($1)
  order by n.nspname, c.opcname, m.amname`;

// An item with an internal dependency on a class is created with the class. All others depend on the family only, even
// if they were declared with a class, because the access method decides that.
const itemsSql = /* sql */ `
  select i.classid::bigint as classid, i.oid::bigint as oid, i.item,
    (select pg_catalog.format('%s/%s', d.refclassid::bigint, d.refobjid::bigint)
     from pg_catalog.pg_depend as d
     where d.classid = i.classid and d.objid = i.oid and d.deptype = 'i'
       and d.refclassid = 'pg_catalog.pg_opclass'::pg_catalog.regclass) as holder,
    pg_catalog.format('alter operator family %I.%I using %I add', n.nspname, f.opfname, m.amname) as family
  from (
    select a.tableoid as classid, a.oid, a.amopfamily as family,
      pg_catalog.format('operator %s %I.%s (%s, %s)%s', a.amopstrategy, o_n.nspname, o.oprname,
        pg_catalog.format_type(a.amoplefttype, null), pg_catalog.format_type(a.amoprighttype, null),
        (select pg_catalog.format(' for order by %I.%I', s_n.nspname, s.opfname)
         from pg_catalog.pg_opfamily as s
         join pg_catalog.pg_namespace as s_n on s_n.oid = s.opfnamespace
         where s.oid = a.amopsortfamily)) as item
    from pg_catalog.pg_amop as a
    join pg_catalog.pg_operator as o on o.oid = a.amopopr
    join pg_catalog.pg_namespace as o_n on o_n.oid = o.oprnamespace
    where a.oid = any ($1)
    union all
    select a.tableoid, a.oid, a.amprocfamily,
      pg_catalog.format('function %s (%s, %s) %s', a.amprocnum,
        pg_catalog.format_type(a.amproclefttype, null), pg_catalog.format_type(a.amprocrighttype, null), i.identity)
    from pg_catalog.pg_amproc as a
    cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_proc'::pg_catalog.regclass, a.amproc, 0) as i
    where a.oid = any ($2)
  ) as i
  join pg_catalog.pg_opfamily as f on f.oid = i.family
  join pg_catalog.pg_namespace as n on n.oid = f.opfnamespace
  join pg_catalog.pg_am as m on m.oid = f.opfmethod
  order by i.item`;

const catalogs: ReadonlySet<string> = new Set(['pg_opclass', 'pg_amop', 'pg_amproc']);

/** Captures operator classes with their items, and items that were added to a family. */
export async function captureOperatorClasses(session: Session, closure: Closure): Promise<Piece[]> {
  const members = new Map(closure.members.map((member) => [member.key, member]));
  const oids = (catalog: string) => closure.members.filter((m) => m.catalog === catalog).map((m) => m.objid);
  if (!closure.members.some(({ catalog }) => catalogs.has(catalog))) return [];
  const [classes, items] = await session.together([
    session.read<ClassRow>(classesSql, [oids('pg_opclass')]),
    session.read<ItemRow>(itemsSql, [oids('pg_amop'), oids('pg_amproc')]),
  ]);
  const memberOf = (row: { classid: number; oid: number }) => members.get(keyOf(row.classid, row.oid));
  const make = (member: Member | undefined, sql: readonly string[], inline: readonly ItemRow[] = []) => {
    if (member === undefined) return [];
    const keys = inline.map(({ classid, oid }) => keyOf(classid, oid));
    return [makes(member, 'operator class', sql, keys)];
  };
  return [
    ...classes.flatMap((row) => {
      const own = items.filter(({ holder }) => holder === keyOf(row.classid, row.oid));
      const list = [row.storage, ...own.map(({ item }) => item)].map((item) => `\n  ${item}`).join(',');
      return make(memberOf(row), [row.create + list, row.owner], own);
    }),
    ...items
      .filter(({ holder }) => holder === null)
      .flatMap((row) => make(memberOf(row), [`${row.family} ${row.item}`])),
  ];
}
