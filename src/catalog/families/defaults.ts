import type { Session } from '../../session/session.ts';
import { type Closure, membersIn, readAbout } from '../closure.ts';
import { makes, type Piece } from '../piece.ts';

interface DefaultRow {
  oid: number;
  sql: string;
}

// Generated columns can only be created with their table.
const defaultsSql = /* sql */ `
  select d.oid::bigint as oid,
    pg_catalog.format('alter table only %I.%I alter column %I set default %s',
      n.nspname, c.relname, a.attname, pg_catalog.pg_get_expr(d.adbin, d.adrelid)) as sql
  from pg_catalog.pg_attrdef as d
  join pg_catalog.pg_class as c on c.oid = d.adrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum
  where d.oid = any ($1) and a.attgenerated = ''
  order by n.nspname, c.relname, d.adnum`;

/** Captures column defaults of the tables, of views, and of other tables that use a sequence of a dropped table. */
export async function captureDefaults(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_attrdef');
  const rows = await readAbout<DefaultRow>(session, defaultsSql, members);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    return member === undefined ? [] : [makes(member, 'default', [row.sql])];
  });
}
