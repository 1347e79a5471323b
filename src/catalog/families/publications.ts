import type { Session } from '../../session/session.ts';
import { type Closure, membersIn, readAbout } from '../closure.ts';
import { makes, type Piece } from '../piece.ts';

interface PublicationRow {
  oid: number;
  sql: string;
}

// https://www.postgresql.org/docs/current/sql-alterpublication.html
const publicationsSql = (columns: boolean) => /* sql */ `
  select r.oid::bigint as oid,
    pg_catalog.concat(
      pg_catalog.format('alter publication %I add table only %I.%I', p.pubname, n.nspname, c.relname),
      ${
        columns
          ? /* sql */ `
      (select pg_catalog.format(' (%s)', pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by a.attnum))
       from pg_catalog.pg_attribute as a
       where a.attrelid = r.prrelid and a.attnum = any (r.prattrs::smallint[]) having pg_catalog.count(*) > 0),
      ' where (' || pg_catalog.pg_get_expr(r.prqual, r.prrelid) || ')'`
          : 'null'
      }) as sql
  from pg_catalog.pg_publication_rel as r
  join pg_catalog.pg_publication as p on p.oid = r.prpubid
  join pg_catalog.pg_class as c on c.oid = r.prrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where r.oid = any ($1)
  order by p.pubname, n.nspname, c.relname`;

/** Captures membership in publications that list their tables. */
export async function capturePublications(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_publication_rel');
  const sql = publicationsSql(session.server.publicationColumns);
  const rows = await readAbout<PublicationRow>(session, sql, members);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    return member === undefined ? [] : [makes(member, 'publication', [row.sql])];
  });
}
