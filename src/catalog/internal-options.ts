/**
 * Options whose names begin with `pg_` are internal to the server: DDL cannot set them, and their values change
 * whenever the object is created. https://www.postgresql.org/docs/current/catalog-pg-attribute.html (attoptions)
 */
const prefix = 'pg_';

/** Returns SQL for a `text[]` of options without internal ones, in the same order; null if none remain. */
export function withoutInternalOptions(options: string): string {
  return /* sql */ `case when ${options} is not null then nullif(array(
    select o.option from pg_catalog.unnest(${options}) with ordinality as o (option, position)
    where not pg_catalog.starts_with(o.option, '${prefix}') order by o.position), '{}') end`;
}

/** SQL for the options of the TOAST table of a relation, alias `c`, with their prefix. */
export const toastOptionsSql = /* sql */ `
  select 'toast.' as prefix, x.*
  from pg_catalog.pg_class as toast
  cross join lateral pg_catalog.pg_options_to_table(${withoutInternalOptions('toast.reloptions')}) as x
  where toast.oid = c.reltoastrelid`;

/** Catalog columns that may contain internal options, by their names in facts. */
const optionColumns = ['attoptions', 'reloptions', 'reltoastrelid'];

/** Returns the columns of a fact without internal options, which earlier versions wrote into the archive. */
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

/** @param list a JSON array of strings, as `jsonb` prints it */
function without(list: string): string | null {
  const options: string[] = JSON.parse(list);
  const left = options.filter((option) => !option.startsWith(prefix));
  return left.length === 0 ? null : `[${left.map((option) => JSON.stringify(option)).join(', ')}]`;
}
