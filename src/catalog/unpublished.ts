import type { Session } from '../session/session.ts';

interface PublishedTable {
  /** Qualified and quoted. */
  name: string;
  /** Its unlogged sequences: SET LOGGED on the table changes them too (15). */
  sequences: string[];
}

/**
 * SQL: whether a publication publishes a table by a rule, which is in force as soon as the table exists: FOR ALL TABLES, or
 * FOR TABLES IN SCHEMA for its schema or that of a partitioned table above it. `c` is the row of `pg_class`, `p` that of
 * `pg_publication`.
 */
const byRuleSql = (schemas: boolean) =>
  schemas
    ? /* sql */ `(p.puballtables or exists (
        select from pg_catalog.pg_publication_namespace as s
        where s.pnpubid = p.oid and s.pnnspid in (
          select c.relnamespace
          union all
          select a.relnamespace from pg_catalog.pg_class as a
          where a.oid in (select r.relid from pg_catalog.pg_partition_ancestors(c.oid) as r (relid)))))`
    : 'p.puballtables';

const publishedSql = (schemas: boolean) => /* sql */ `
  select t.name, array(
      select pg_catalog.format('%I.%I', n.nspname, s.relname)
      from pg_catalog.pg_depend as d
      join pg_catalog.pg_class as s on s.oid = d.objid and s.relkind = 'S' and s.relpersistence = 'u'
      join pg_catalog.pg_namespace as n on n.oid = s.relnamespace
      where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.deptype in ('a', 'i')
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = c.oid and d.refobjsubid > 0
      order by n.nspname, s.relname) as sequences
  from pg_catalog.unnest($1::text[]) with ordinality as t (name, position)
  join pg_catalog.pg_class as c on c.oid = pg_catalog.to_regclass(t.name)
  -- neither unlogged nor temporary
  where c.relpersistence = 'p' and exists (
    select from pg_catalog.pg_publication as p where ${byRuleSql(schemas)})
  order by t.position`;

/**
 * Writes rows without publishing them. The tables are unlogged during the work, so that nothing of it is decoded; SET LOGGED
 * then writes them to the WAL as a rewrite, which logical decoding skips. All is one transaction, so that a crash leaves
 * the tables logged, as they were.
 *
 * @param tables qualified and quoted; a table that references another one comes before it
 */
export async function unpublished<T>(
  session: Session,
  tables: readonly string[],
  work: () => Promise<T>,
): Promise<T> {
  const published = await session.read<PublishedTable>(publishedSql(session.server.publishedSchemas), [
    tables,
  ]);
  if (published.length === 0) return work();
  await session.run(published.map(({ name }) => `alter table only ${name} set unlogged`).join(';\n'));
  const result = await work();
  const logged = published
    .toReversed()
    .flatMap(({ name, sequences }) => [
      `alter table only ${name} set logged`,
      ...sequences.map((sequence) => `alter sequence ${sequence} set unlogged`),
    ]);
  await session.run(logged.join(';\n'));
  return result;
}

/** The publications that publish every new table of a schema, quoted. */
export async function readRulesFor(session: Session, schema: string): Promise<string[]> {
  const rows = await session.read<{ name: string }>(rulesSql(session.server.publishedSchemas), [schema]);
  return rows.map(({ name }) => name);
}

const rulesSql = (schemas: boolean) => /* sql */ `
  select pg_catalog.quote_ident(p.pubname) as name
  from pg_catalog.pg_publication as p
  where p.puballtables${
    schemas
      ? /* sql */ ` or exists (
      select from pg_catalog.pg_publication_namespace as s
      join pg_catalog.pg_namespace as n on n.oid = s.pnnspid
      where s.pnpubid = p.oid and n.nspname = $1)`
      : ' or $1::text is null'
  }
  order by p.pubname`;
