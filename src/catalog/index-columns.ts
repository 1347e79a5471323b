interface Row {
  readonly catalog: string;
  readonly identity: string;
  readonly columns: Readonly<Record<string, string | null>>;
}

const kind = 'index column ';

/**
 * Returns the fact of an index column as one of the index, without the name of the column, and any other fact unchanged.
 * The server names index columns after the table columns when the index is created, and keeps these names when a table
 * column is renamed later. Nothing refers to them: DDL addresses index columns by number.
 * https://www.postgresql.org/docs/current/sql-alterindex.html
 */
export function withoutColumnName<Fact extends Row>(fact: Fact): Fact {
  const { catalog, identity, columns } = fact;
  const name = columns.attname;
  if (catalog !== 'pg_attribute' || name == null || !identity.startsWith(kind)) return fact;
  const quoted = `"${name.replaceAll('"', '""')}"`;
  const suffix = identity.endsWith(`.${quoted}`) ? `.${quoted}` : `.${name}`;
  const index = identity.slice(kind.length, -suffix.length);
  return { ...fact, identity: `index ${index}`, columns: { ...columns, attname: null } };
}
