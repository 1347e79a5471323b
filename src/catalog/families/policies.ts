import type { Session } from '../../session/session.ts';
import { type Closure, membersIn, readAbout } from '../closure.ts';
import { makes, type Piece } from '../piece.ts';

interface PolicyRow {
  oid: number;
  sql: string;
}

const policiesSql = /* sql */ `
  select p.oid::bigint as oid,
    pg_catalog.concat(
      pg_catalog.format('create policy %I on %I.%I as %s for %s to %s', p.polname, n.nspname, c.relname,
        case when p.polpermissive then 'permissive' else 'restrictive' end,
        case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
          else 'all' end,
        (select pg_catalog.string_agg(
           case when r.role = 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r.role)) end,
           ', ' order by r.position)
         from pg_catalog.unnest(p.polroles) with ordinality as r (role, position))),
      ' using (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')',
      ' with check (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')') as sql
  from pg_catalog.pg_policy as p
  join pg_catalog.pg_class as c on c.oid = p.polrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where p.oid = any ($1)
  order by n.nspname, c.relname, p.polname`;

/** Captures policies of the tables, and policies of other tables that refer to them. */
export async function capturePolicies(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_policy');
  const rows = await readAbout<PolicyRow>(session, policiesSql, members);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    return member === undefined ? [] : [makes(member, 'policy', [row.sql])];
  });
}
