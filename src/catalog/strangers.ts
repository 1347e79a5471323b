import type { Session } from '../session/session.ts';
import type { Obstacle } from './obstacle.ts';
import type { Unprinted } from './search-paths.ts';

/** An operator or function that could be taken for a built-in one, where its schema is in the search path. */
export interface Stranger {
  /** Quoted. */
  readonly schema: string;
  readonly identity: string;
  readonly owner: string;
}

// One of the same name with arguments that fit better is preferred to a built-in one, whatever the order of the path.
// Those are trusted who could put another operator in place of one that is used anyway: whoever owns one, or the schema.
// https://www.postgresql.org/docs/current/typeconv-oper.html
const strangersSql = /* sql */ `
  with schemas as (
    select n.oid, n.nspname, n.nspowner
    from pg_catalog.pg_namespace as n
    where pg_catalog.quote_ident(n.nspname) = any ($1::text[])
  ),
  candidates as (
    select o.tableoid as classid, o.oid, o.oprnamespace as schema, o.oprowner as owner
    from pg_catalog.pg_operator as o
    where exists (
      select from pg_catalog.pg_operator as b
      where b.oprnamespace = 'pg_catalog'::pg_catalog.regnamespace and b.oprname = o.oprname)
    union all
    select p.tableoid, p.oid, p.pronamespace, p.proowner
    from pg_catalog.pg_proc as p
    where exists (
      select from pg_catalog.pg_proc as b
      where b.pronamespace = 'pg_catalog'::pg_catalog.regnamespace and b.proname = p.proname)
  )
  select pg_catalog.quote_ident(s.nspname) as schema, i.type || ' ' || i.identity as identity, r.rolname as owner
  from schemas as s
  join candidates as c on c.schema = s.oid
  join pg_catalog.pg_roles as r on r.oid = c.owner
  cross join lateral pg_catalog.pg_identify_object(c.classid, c.oid, 0) as i
  where not r.rolsuper and r.rolname <> current_user and not pg_catalog.pg_has_role(r.oid, s.nspowner, 'USAGE')
    and not exists (
      select from pg_catalog.pg_operator as u where u.oid = any ($2::oid[]) and u.oprnamespace = s.oid and u.oprowner = r.oid)
  order by s.nspname, i.type, i.identity`;

/**
 * What others than their owners have put into schemas that are to be in the search path, and what could run there with
 * the rights of whoever restores.
 *
 * @param schemas quoted
 * @param operators the OIDs of those that are meant to be found in them
 */
export function findStrangers(
  session: Session,
  schemas: readonly string[],
  operators: readonly number[],
): Promise<Stranger[]> {
  return session.read<Stranger>(strangersSql, [schemas, operators]);
}

/** Objects that would be made again under a path in which others could have put what they take instead of their own. */
export async function findUnsafe(session: Session, unprinted: readonly Unprinted[]): Promise<Obstacle[]> {
  if (unprinted.length === 0) return [];
  const schemas = unprinted.flatMap((one) => one.schemas);
  const operators = unprinted.flatMap((one) => one.operators);
  const strangers = await findStrangers(session, [...new Set(schemas)], operators);
  return unprinted.flatMap(({ identity, schemas }) =>
    strangers
      .filter(({ schema }) => schemas.includes(schema))
      .map((stranger) => ({ identity, reason: describeStranger(stranger) })),
  );
}

export function describeStranger({ schema, identity, owner }: Stranger): string {
  return `operators are to be found in schema ${schema}, where ${owner} has made ${identity}: it could be taken for a built-in one`;
}
