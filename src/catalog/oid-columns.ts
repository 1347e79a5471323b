/** The catalog that the values of these types refer to. https://www.postgresql.org/docs/current/datatype-oid.html */
export const oidTypes: Readonly<Record<string, string>> = {
  regclass: 'pg_class',
  regtype: 'pg_type',
  regproc: 'pg_proc',
  regprocedure: 'pg_proc',
  regoper: 'pg_operator',
  regoperator: 'pg_operator',
};

const list = Object.keys(oidTypes)
  .map((type) => `'pg_catalog.${type}'::pg_catalog.regtype`)
  .join(', ');

/** SQL for the OIDs of these types and of their array types. The server hashes this subquery. */
export const oidTypesSql = `(
  select y.oid from pg_catalog.pg_type as y where y.oid in (${list}) or y.typelem in (${list}) and y.typlen = -1)`;
