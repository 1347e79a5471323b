/**
 * Options whose names begin with `pg_` are the server's own: no DDL sets them, and their values change whenever the
 * object is created. https://www.postgresql.org/docs/current/catalog-pg-attribute.html (attoptions)
 */
const prefix = 'pg_';

/** SQL: a `text[]` of options without internal ones, in the same order; null where none is left. */
export function withoutInternalOptions(options: string): string {
  return /* sql */ `case when ${options} is not null then nullif(array(
    select o.option from pg_catalog.unnest(${options}) with ordinality as o (option, position)
    where not pg_catalog.starts_with(o.option, '${prefix}') order by o.position), '{}') end`;
}

/** Columns of catalogs that hold options of this kind, by the name that facts give them. */
const optionColumns = ['attoptions', 'reloptions', 'reltoastrelid'];

/** The columns of a fact, less internal options: earlier versions wrote these into the archive. */
export function dropInternalOptions<Columns extends Readonly<Record<string, string | null>>>(
  columns: Columns,
): Columns {
  const held = optionColumns.filter((column) => columns[column]?.includes(`"${prefix}`));
  if (held.length === 0) return columns;
  return {
    ...columns,
    ...Object.fromEntries(held.map((column) => [column, without(columns[column] ?? '[]')])),
  };
}

/** @param list as `jsonb` prints an array of texts */
function without(list: string): string | null {
  const options: string[] = JSON.parse(list);
  const left = options.filter((option) => !option.startsWith(prefix));
  return left.length === 0 ? null : `[${left.map((option) => JSON.stringify(option)).join(', ')}]`;
}
