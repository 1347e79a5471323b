import type { Session } from '../../session/session.ts';
import { type Closure, keyOf } from '../closure.ts';
import { addsTo, type Piece } from '../piece.ts';
import { routineSql } from './routines.ts';

interface CommentRow {
  classid: number;
  objid: number;
  sql: string;
}

// The object types that have different names in pg_identify_object and in COMMENT ON.
const commentsSql = /* sql */ `
  select d.classoid::bigint as classid, d.objoid::bigint as objid,
    pg_catalog.format('comment on %s is %L',
      case i.type
        when 'table column' then 'column ' || i.identity
        when 'view column' then 'column ' || i.identity
        when 'materialized view column' then 'column ' || i.identity
        when 'foreign table column' then 'column ' || i.identity
        when 'index column' then 'column ' || i.identity
        when 'table constraint' then 'constraint ' || i.identity
        when 'domain constraint' then (
          select pg_catalog.format('constraint %I on domain %s', k.conname, pg_catalog.format_type(k.contypid, null))
          from pg_catalog.pg_constraint as k where k.oid = d.objoid)
        when 'statistics object' then 'statistics ' || i.identity
        else coalesce(${routineSql('p')}, i.type || ' ' || i.identity)
      end,
      d.description) as sql
  from unnest($1::oid[], $2::oid[]) as m (classid, objid)
  join pg_catalog.pg_description as d on d.classoid = m.classid and d.objoid = m.objid
  left join pg_catalog.pg_proc as p
    on d.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass and p.oid = d.objoid
  cross join lateral pg_catalog.pg_identify_object(d.classoid, d.objoid, d.objsubid) as i
  order by i.type, i.identity`;

/** Captures comments on all members and their columns. */
export async function captureComments(session: Session, closure: Closure): Promise<Piece[]> {
  const whole = closure.members.filter(({ objsubid }) => objsubid === 0);
  const members = new Map(whole.map((member) => [member.key, member]));
  const rows = await session.read<CommentRow>(commentsSql, [
    whole.map((member) => member.classid),
    whole.map((member) => member.objid),
  ]);
  return rows.flatMap((row) => {
    const member = members.get(keyOf(row.classid, row.objid));
    return member === undefined ? [] : addsTo(member, 'comment', [row.sql]);
  });
}
