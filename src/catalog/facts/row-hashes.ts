import type { Session } from '../../session/session.ts';

/**
 * Equal values of these types are written alike: 1.0 and 1.00 are equal, and so numeric is none of them. Their hashes
 * depend on every bit.
 */
const exact = ['bool', '"char"', 'int2', 'int4', 'oid', 'text', 'varchar', 'bytea', 'uuid', 'date'];

/**
 * The hashes of these combine the two halves of 64 bits into 32 first, so that 0 and 4294967297 share theirs. What is
 * sent to a client in binary has them all.
 */
const folded = ['int8', 'time', 'timestamp', 'timestamptz'];

const listOf = (types: readonly string[]) =>
  types.map((type) => `'pg_catalog.${type}'::pg_catalog.regtype`).join(', ');

// The type's own hash is quickest; the text of all other columns is hashed as one. Hash functions stay the same over major
// versions, since partitions rest on them.
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
 * The SQL of a record that holds the values of all columns of a table, `t`, for `hash_record_extended`.
 *
 * @param table qualified and quoted
 * @param whole whether all bits of a value are to count; without, it is as digests of older entries have it
 */
export async function readRowRecord(session: Session, table: string, whole: boolean): Promise<string> {
  const [found] = await session.read<{ record: string }>(recordSql, [table, whole]);
  if (found === undefined) throw new Error(`no columns of ${table}`);
  return found.record;
}
