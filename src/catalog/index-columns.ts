interface Row {
  readonly catalog: string;
  readonly identity: string;
  readonly columns: Readonly<Record<string, string | null>>;
}

const kind = 'index column ';

// The server copies these from the table column when the index is created, and a later change of the column does not reach
// all of them. DDL addresses index columns by number, and cannot set the others for an index.
// https://www.postgresql.org/docs/current/sql-alterindex.html
const copies = { attname: null, attcompression: null, attstorage: null };

/**
 * Returns the fact of an index column as one of the index, without the properties that are copies of those of a table
 * column, and any other fact unchanged.
 */
export function withoutCopies<Fact extends Row>(fact: Fact): Fact {
  const { catalog, identity, columns } = fact;
  const name = columns.attname;
  if (catalog !== 'pg_attribute' || name == null || !identity.startsWith(kind)) return fact;
  const quoted = `"${name.replaceAll('"', '""')}"`;
  const suffix = identity.endsWith(`.${quoted}`) ? `.${quoted}` : `.${name}`;
  const index = identity.slice(kind.length, -suffix.length);
  return { ...fact, identity: `index ${index}`, columns: { ...columns, ...copies } };
}
