import type { Session } from '../session/session.ts';
import type { Obstacle } from './obstacle.ts';
import type { Unprinted } from './search-paths.ts';

/**
 * An operator or function of another role that could be taken for a built-in one if its schema is in the search path.
 */
export interface Stranger {
  /** Quoted. */
  readonly schema: string;
  readonly identity: string;
  readonly owner: string;
}

// An operator of the same name whose argument types match better is preferred to a built-in one, whatever the order of
// the path. Owners of the schema or of an operator used in it are trusted, because they could replace that operator
// anyway.
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
 * Finds operators and functions that other roles than the schema's owner created in schemas to be added to the search
 * path, and that could run with the privileges of the role that restores.
 *
 * @param schemas quoted names
 * @param operators the OIDs of the operators that are meant to be found in these schemas
 */
export function findStrangers(
  session: Session,
  schemas: readonly string[],
  operators: readonly number[],
): Promise<Stranger[]> {
  return session.read<Stranger>(strangersSql, [schemas, operators]);
}

/** Finds objects that would be recreated under a search path that contains strangers. */
export async function findUnsafe(session: Session, unprinted: readonly Unprinted[]): Promise<Obstacle[]> {
  if (unprinted.length === 0) return [];
  const schemas = unprinted.flatMap((object) => object.schemas);
  const operators = unprinted.flatMap((object) => object.operators);
  const strangers = await findStrangers(session, [...new Set(schemas)], operators);
  return unprinted.flatMap(({ identity, schemas }) =>
    strangers
      .filter(({ schema }) => schemas.includes(schema))
      .map((stranger) => ({ identity, reason: describeStranger(stranger) })),
  );
}

export function describeStranger({ schema, identity, owner }: Stranger): string {
  return `its operators are looked up in schema ${schema}, where ${owner} has created ${identity}, which could be taken for a built-in one`;
}
