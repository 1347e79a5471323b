/** The catalog that the values of these types refer to. https://www.postgresql.org/docs/current/datatype-oid.html */
export const oidTypes: Readonly<Record<string, string>> = {
  regclass: 'pg_class',
  regtype: 'pg_type',
  regproc: 'pg_proc',
  regprocedure: 'pg_proc',
  regoper: 'pg_operator',
  regoperator: 'pg_operator',
};

/** SQL for a list of the OIDs of these types and of their array types. */
export const oidTypesSql = `(${Object.keys(oidTypes)
  .flatMap((type) => [
    `'pg_catalog.${type}'::pg_catalog.regtype`,
    `'pg_catalog.${type}[]'::pg_catalog.regtype`,
  ])
  .join(', ')})`;
