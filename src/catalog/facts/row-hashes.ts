import type { Session } from '../../session/session.ts';

/**
 * Types whose equal values have equal representations, and whose hashes depend on every bit. For example, numeric is
 * not one of them, because 1.0 and 1.00 are equal.
 */
const exact = ['bool', '"char"', 'int2', 'int4', 'oid', 'text', 'varchar', 'bytea', 'uuid', 'date'];

/**
 * Types whose hash functions first combine 64 bits into 32, so that 0 and 4294967297 have the same hash. The binary
 * send format contains all bits.
 */
const folded = ['int8', 'time', 'timestamp', 'timestamptz'];

const listOf = (types: readonly string[]) =>
  types.map((type) => `'pg_catalog.${type}'::pg_catalog.regtype`).join(', ');

// The hash function of the type is fastest; all other columns are hashed together as text. Hash functions are the same
// in all major versions, because hash partitions depend on them.
const recordSql = /* sql */ `
  select pg_catalog.format('row(%s)',
    pg_catalog.concat_ws(', ', a.exact, 'row(' || a.others || ')::text collate pg_catalog."C"')) as record
  from (
    select
      pg_catalog.string_agg(
        case when $2::boolean and a.is_folded then pg_catalog.format('pg_catalog.%s(t.%I)', a.typsend, a.attname)
          else pg_catalog.format('t.%I', a.attname) end
        || case when a.attcollation <> 0 then ' collate pg_catalog."C"' else '' end, ', ' order by a.attnum)
        filter (where a.is_exact or a.is_folded) as exact,
      pg_catalog.string_agg(pg_catalog.format('t.%I', a.attname), ', ' order by a.attnum)
        filter (where not a.is_exact and not a.is_folded) as others
    from (
      select a.attname, a.attnum, a.attcollation, y.typsend,
        y.oid in (${listOf(exact)}) as is_exact, y.oid in (${listOf(folded)}) as is_folded
      from pg_catalog.pg_attribute as a
      join pg_catalog.pg_type as y on y.oid = a.atttypid
      where a.attrelid = pg_catalog.to_regclass($1) and a.attnum > 0 and not a.attisdropped) as a) as a`;

/**
 * Returns SQL for a record of the values of all columns of a table, alias `t`, for `hash_record_extended`.
 *
 * @param table qualified and quoted name
 * @param whole whether the digest depends on all bits of a value; false for digests of older entries
 */
export async function readRowRecord(session: Session, table: string, whole: boolean): Promise<string> {
  const [found] = await session.read<{ record: string }>(recordSql, [table, whole]);
  if (found === undefined) throw new Error(`no columns of ${table}`);
  return found.record;
}
