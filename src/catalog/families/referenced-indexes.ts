// A foreign key that names columns references the oldest unique index on them, by OID; one without columns references the
// primary key. https://www.postgresql.org/docs/current/sql-createtable.html

const columnsOf = (index: string) =>
  `pg_catalog.unnest((${index}.indkey::smallint[])[0:${index}.indnkeyatts - 1]) with ordinality as u (number, position)`;

/** SQL: the older unique indexes on the columns of a unique index, `older` and `own` in `pg_index`. */
const older = /* sql */ `
  from pg_catalog.pg_index as own
  join pg_catalog.pg_index as older
    on older.indrelid = own.indrelid and older.indexrelid < own.indexrelid
      and array(select u.number from ${columnsOf('older')} order by u.number)
        = array(select u.number from ${columnsOf('own')} order by u.number)
  where own.indisunique and older.indisunique and older.indimmediate and older.indpred is null and older.indexprs is null`;

/**
 * SQL: a query for the object keys of the unique indexes that must be created before this one, so that foreign keys
 * reference the same indexes as before.
 *
 * @param index SQL for the OID of the index
 */
export function olderIndexesSql(index: string): string {
  return /* sql */ `
    select 'pg_catalog.pg_class'::pg_catalog.regclass::oid::bigint || '/' || older.indexrelid::bigint
    ${older} and own.indexrelid = ${index}
      and exists (
        select from pg_catalog.pg_constraint as f
        where f.confrelid = own.indrelid and f.contype = 'f' and f.conindid in (own.indexrelid, older.indexrelid))`;
}

/**
 * SQL: the definition of a constraint, `k` in `pg_constraint`. A foreign key that references a primary key which is not the
 * oldest index on its columns is printed without these columns.
 */
export const definitionSql = /* sql */ `
  case when k.contype = 'f' and exists (
      select ${older} and own.indexrelid = k.conindid and own.indisprimary
        and array(select u.number from ${columnsOf('own')} order by u.position) = k.confkey)
    then pg_catalog.replace(
      pg_catalog.pg_get_constraintdef(k.oid),
      pg_catalog.format('REFERENCES %s(%s)', k.confrelid::pg_catalog.regclass, (
        select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by u.position)
        from pg_catalog.unnest(k.confkey) with ordinality as u (number, position)
        join pg_catalog.pg_attribute as a on a.attrelid = k.confrelid and a.attnum = u.number)),
      pg_catalog.format('REFERENCES %s', k.confrelid::pg_catalog.regclass))
    else pg_catalog.pg_get_constraintdef(k.oid) end`;
