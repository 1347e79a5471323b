import { readRowRecord } from '../catalog/facts/row-hashes.ts';
import type { Session } from '../session/session.ts';

export interface RowDigest {
  readonly count: string;
  /** Of all values of all rows; in which order they lie does not count. */
  readonly digest: string;
}

/** What a digest begins with; those of older entries are one number or two. */
const mark = 'v3 ';

/** Of a table without rows. */
export const noRows: RowDigest = { count: '0', digest: `${mark}0 0` };

/**
 * How many rows a table has, children left out, and a digest of them.
 *
 * @param like a digest of an older entry, to be compared with this one
 */
export async function digestRows(session: Session, table: string, like = mark): Promise<RowDigest> {
  if (like.startsWith(mark)) {
    const sums = `pg_catalog.format('${mark}%s %s', coalesce(${sumOf(0)}, 0), coalesce(${sumOf(1)}, 0))`;
    return sum(session, table, await readRowRecord(session, table, true), sums);
  }
  if (like.includes(' ')) {
    const sumOf = (seed: number) => `pg_catalog.sum(pg_catalog.hashtextextended(t.record, ${seed}))`;
    const sums = `pg_catalog.format('%s %s', ${sumOf(0)}, ${sumOf(1)})`;
    return sum(session, table, 'row(t.*)::text collate pg_catalog."C"', sums);
  }
  const hash = 'pg_catalog.hashint8extended(pg_catalog.hash_record_extended(t.record, 0), 0)';
  const one = `pg_catalog.format('%s', pg_catalog.sum(${hash}))`;
  return sum(session, table, await readRowRecord(session, table, false), one);
}

// The hash of a record adds up its columns, and the digest adds up the records: mixed between the two, values of different
// rows cannot change places unnoticed. A seed is mixed with all of its 64 bits, whereas hashint8extended makes 32 of them.
function sumOf(seed: number): string {
  return `pg_catalog.sum(pg_catalog.hashint4extended(0, pg_catalog.hash_record_extended(t.record, ${seed})))`;
}

// Because of OFFSET a row is put together once and not for each sum. As a literal of its own type it keeps the server from
// no parallel plan.
async function sum(session: Session, table: string, record: string, sums: string): Promise<RowDigest> {
  const [found] = await session.read<RowDigest>(/* sql */ `
    select pg_catalog.count(*)::text as count, ${sums} as digest
    from (select ${record} as record from only ${table} as t offset '0') as t`);
  if (found === undefined) throw new Error(`no count of ${table}`);
  return found;
}
