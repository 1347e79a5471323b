import type { Session } from '../session.ts';

// Equal values of these types are written alike: 1.0 and 1.00 are equal, and so numeric is none of them.
const exact = [
  'bool',
  '"char"',
  'int2',
  'int4',
  'int8',
  'oid',
  'text',
  'varchar',
  'bytea',
  'uuid',
  'date',
  'time',
  'timestamp',
  'timestamptz',
];

// The type's own hash is quickest; the text of all other columns is hashed as one. Hash functions stay the same over major
// versions, since partitions rest on them. The hash of a record adds up its columns, and the digest adds up the records:
// hashed once more between the two, values of different rows cannot change places unnoticed.
const hashSql = /* sql */ `
  select pg_catalog.format('pg_catalog.hashint8extended(pg_catalog.hash_record_extended(row(%s), 0), 0)',
    pg_catalog.concat_ws(', ', a.exact, 'row(' || a.others || ')::text collate pg_catalog."C"')) as hash
  from (
    select
      pg_catalog.string_agg(pg_catalog.format('t.%I', a.attname)
        || case when a.attcollation <> 0 then ' collate pg_catalog."C"' else '' end, ', ' order by a.attnum)
        filter (where a.is_exact) as exact,
      pg_catalog.string_agg(pg_catalog.format('t.%I', a.attname), ', ' order by a.attnum)
        filter (where not a.is_exact) as others
    from (
      select a.attname, a.attnum, a.attcollation,
        a.atttypid in (${exact.map((type) => `'pg_catalog.${type}'::pg_catalog.regtype`).join(', ')}) as is_exact
      from pg_catalog.pg_attribute as a
      where a.attrelid = pg_catalog.to_regclass($1) and a.attnum > 0 and not a.attisdropped) as a) as a`;

/**
 * What hashes a row of a table, `t`, by the values of all of its columns.
 *
 * @param table qualified and quoted
 */
export async function readRowHash(session: Session, table: string): Promise<string> {
  const [found] = await session.read<{ hash: string }>(hashSql, [table]);
  if (found === undefined) throw new Error(`no columns of ${table}`);
  return found.hash;
}
