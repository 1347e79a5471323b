export interface NamedRelation {
  readonly schema: string;
  readonly name: string;
  /** The qualified name, quoted where necessary. */
  readonly sql: string;
}

/**
 * The tables and sequences that a backup of the whole database holds. pg_dump omits members of extensions, since CREATE
 * EXTENSION creates them.
 */
export const relationsSql = /* sql */ `
  select n.nspname as schema, c.relname as name, pg_catalog.format('%I.%I', n.nspname, c.relname) as sql,
    c.oid::bigint as oid, n.oid::bigint as namespace, c.relkind as kind
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'S') and c.relpersistence <> 't'
    and n.nspname <> 'information_schema' and not pg_catalog.starts_with(n.nspname::text, 'pg_')
    and not exists (
      select from pg_catalog.pg_depend as d
      where d.classid = c.tableoid and d.objid = c.oid and d.deptype = 'e')`;
