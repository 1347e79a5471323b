import type { Session } from '../../session/session.ts';
import { type Closure, membersIn, readAbout } from '../closure.ts';
import { makes, type Piece } from '../piece.ts';

interface StatisticsRow {
  oid: number;
  sql: string;
  target: string | null;
  owner: string;
}

const statisticsSql = /* sql */ `
  select s.oid::bigint as oid,
    pg_catalog.pg_get_statisticsobjdef(s.oid) as sql,
    case when s.stxstattarget >= 0 then
      pg_catalog.format('alter statistics %I.%I set statistics %s', n.nspname, s.stxname, s.stxstattarget)
    end as target,
    pg_catalog.format('alter statistics %I.%I owner to %I', n.nspname, s.stxname,
      pg_catalog.pg_get_userbyid(s.stxowner)) as owner
  from pg_catalog.pg_statistic_ext as s
  join pg_catalog.pg_namespace as n on n.oid = s.stxnamespace
  where s.oid = any ($1)
  order by n.nspname, s.stxname`;

/** Captures the definitions of extended statistics objects, without the data that ANALYZE collects. */
export async function captureStatistics(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_statistic_ext');
  const rows = await readAbout<StatisticsRow>(session, statisticsSql, members);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    return member === undefined ? [] : [makes(member, 'statistics', [row.sql, row.target, row.owner])];
  });
}
