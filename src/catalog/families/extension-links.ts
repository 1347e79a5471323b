import type { Session } from '../../session/session.ts';
import { type Closure, keyOf } from '../closure.ts';
import { addsTo, type Piece } from '../piece.ts';
import { routineSql } from './routines.ts';

interface LinkRow {
  classid: number;
  objid: number;
  sql: string;
}

// The object is dropped with the extension, but is not a member of it.
const linksSql = /* sql */ `
  select d.classid::bigint as classid, d.objid::bigint as objid,
    pg_catalog.format('alter %s depends on extension %I',
      case when p.oid is not null then ${routineSql('p')} else i.type || ' ' || i.identity end, e.extname) as sql
  from unnest($1::oid[], $2::oid[]) as m (classid, objid)
  join pg_catalog.pg_depend as d on d.classid = m.classid and d.objid = m.objid and d.deptype = 'x'
    and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
  join pg_catalog.pg_extension as e on e.oid = d.refobjid
  left join pg_catalog.pg_proc as p
    on d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and p.oid = d.objid
  cross join lateral pg_catalog.pg_identify_object(d.classid, d.objid, 0) as i
  order by i.type, i.identity, e.extname`;

/** Captures `alter … depends on extension` of functions, triggers, indexes and materialized views. */
export async function captureExtensionLinks(session: Session, closure: Closure): Promise<Piece[]> {
  const linked = closure.members.filter(({ hasExtension }) => hasExtension);
  if (linked.length === 0) return [];
  const members = new Map(linked.map((member) => [member.key, member]));
  const rows = await session.read<LinkRow>(linksSql, [
    linked.map((member) => member.classid),
    linked.map((member) => member.objid),
  ]);
  return rows.flatMap((row) => {
    const member = members.get(keyOf(row.classid, row.objid));
    return member === undefined ? [] : addsTo(member, 'mark', [row.sql]);
  });
}
