import type { Session } from '../../session/session.ts';
import { type Closure, readAbout, typesOf } from '../closure.ts';
import { functionNameSql } from '../identity.ts';
import { makes, type Piece } from '../piece.ts';

interface RangeRow {
  oid: number;
  create: string;
  owner: string;
}

// The multirange type, array types and constructors are created with the range type. A range type with a canonical
// function requires a shell type that the function is created on first. It is not supported here, and therefore
// refused.
// https://www.postgresql.org/docs/current/catalog-pg-range.html
const rangesSql = /* sql */ `
  select t.oid::bigint as oid,
    pg_catalog.format(E'create type %I.%I as range (\\n  %s\\n)', n.nspname, t.typname,
      pg_catalog.concat_ws(E',\\n  ',
        'subtype = ' || pg_catalog.format_type(r.rngsubtype, null),
        (select pg_catalog.format('subtype_opclass = %I.%I', c_n.nspname, c.opcname)
         from pg_catalog.pg_opclass as c
         join pg_catalog.pg_namespace as c_n on c_n.oid = c.opcnamespace
         where c.oid = r.rngsubopc),
        (select pg_catalog.format('collation = %I.%I', c_n.nspname, c.collname)
         from pg_catalog.pg_collation as c
         join pg_catalog.pg_namespace as c_n on c_n.oid = c.collnamespace
         where c.oid = r.rngcollation),
        'subtype_diff = ' || ${functionNameSql('r.rngsubdiff')},
        pg_catalog.format('multirange_type_name = %I.%I', m_n.nspname, m.typname))) as create,
    pg_catalog.format('alter type %I.%I owner to %I',
      n.nspname, t.typname, pg_catalog.pg_get_userbyid(t.typowner)) as owner
  from pg_catalog.pg_type as t
  join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
  join pg_catalog.pg_range as r on r.rngtypid = t.oid
  join pg_catalog.pg_type as m on m.oid = r.rngmultitypid
  join pg_catalog.pg_namespace as m_n on m_n.oid = m.typnamespace
  where t.oid = any ($1) and r.rngcanonical = 0
  order by n.nspname, t.typname`;

/** Captures range types with their multirange types. */
export async function captureRanges(session: Session, closure: Closure): Promise<Piece[]> {
  const members = typesOf(closure);
  const rows = await readAbout<RangeRow>(session, rangesSql, members);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    return member === undefined ? [] : [makes(member, 'type', [row.create, row.owner])];
  });
}
