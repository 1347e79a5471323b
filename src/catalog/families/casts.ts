import type { Session } from '../../session/session.ts';
import { type Closure, membersIn, readAbout } from '../closure.ts';
import { makes, type Piece } from '../piece.ts';

interface CastRow {
  oid: number;
  sql: string;
}

const castsSql = /* sql */ `
  select c.oid::bigint as oid,
    pg_catalog.format('create cast (%s as %s) %s%s',
      pg_catalog.format_type(c.castsource, null), pg_catalog.format_type(c.casttarget, null),
      case c.castmethod when 'f' then 'with function ' || i.identity when 'i' then 'with inout'
        when 'b' then 'without function' end,
      case c.castcontext when 'a' then ' as assignment' when 'i' then ' as implicit' end) as sql
  from pg_catalog.pg_cast as c
  left join lateral pg_catalog.pg_identify_object('pg_catalog.pg_proc'::pg_catalog.regclass, c.castfunc, 0) as i
    on c.castmethod = 'f'
  where c.oid = any ($1)
  order by 2`;

/**
 * Captures casts, except those that are created with a range type. An expression depends on the function of a cast, not
 * on the cast, but cannot be parsed without the cast. Casts are therefore created as early as possible.
 */
export async function captureCasts(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_cast');
  const rows = await readAbout<CastRow>(session, castsSql, members);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    return member === undefined || member.partOf !== null ? [] : [makes(member, 'cast', [row.sql])];
  });
}
