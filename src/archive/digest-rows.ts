import { readRowRecord } from '../catalog/facts/row-hashes.ts';
import type { Session } from '../session/session.ts';

export interface RowDigest {
  readonly count: string;
  /** Digest of all values of all rows, independent of their order. */
  readonly digest: string;
}

/** The prefix of a digest. Digests in older entries have no prefix, and consist of one number or two. */
const mark = 'v3 ';

/** The count and the digest of an empty table. */
export const noRows: RowDigest = { count: '0', digest: `${mark}0 0` };

/**
 * Counts and digests the rows of a table, not those of its children.
 *
 * @param like a digest whose format the result is to have, so that the two can be compared
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
  const sums = `pg_catalog.format('%s', pg_catalog.sum(${hash}))`;
  return sum(session, table, await readRowRecord(session, table, false), sums);
}

// hash_record_extended adds up the hashes of the columns, and the digest adds up those of the records. Hashing once
// more in between detects values that were swapped between rows. hashint4extended uses all 64 bits of its seed;
// hashint8extended would reduce its input to 32 bits.
function sumOf(seed: number): string {
  return `pg_catalog.sum(pg_catalog.hashint4extended(0, pg_catalog.hash_record_extended(t.record, ${seed})))`;
}

// OFFSET makes the server build each record once, and not once for each sum. Written as a quoted literal, it does not
// prevent a parallel plan.
async function sum(session: Session, table: string, record: string, sums: string): Promise<RowDigest> {
  const [found] = await session.read<RowDigest>(/* sql */ `
    select pg_catalog.count(*)::text as count, ${sums} as digest
    from (select ${record} as record from only ${table} as t offset '0') as t`);
  if (found === undefined) throw new Error(`no count of ${table}`);
  return found;
}
