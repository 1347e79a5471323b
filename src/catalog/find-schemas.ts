import type { Options } from '../options/options.ts';
import type { Session } from '../session/session.ts';

// Of schemas that no longer exist, the names may be given.
const schemasSql = /* sql */ `
  select s.name
  from (
    select n.nspname::text as name from pg_catalog.pg_namespace as n
    union
    select g.name from pg_catalog.unnest($1::text[]) as g (name)
  ) as s
  where not pg_catalog.starts_with(s.name, 'pg_') and s.name not in ('information_schema', 'undrop')
    and ($2::text is null or s.name like $2)
  order by s.name`;

/**
 * The options with the tables that their pattern or function names in the schemas of this database; the same options where
 * they name tables.
 *
 * @param more names of further schemas
 * @throws UndropError `bad-options` where a function returns something else than names
 */
export async function withTables(
  session: Session,
  options: Options,
  more: readonly string[] = [],
): Promise<Options> {
  const { inSchemas } = options;
  if (inSchemas === undefined) return options;
  const schemas = await session.read<{ name: string }>(schemasSql, [more, inSchemas.pattern]);
  return { ...options, tables: schemas.flatMap(({ name }) => inSchemas.tablesOf(name)) };
}
