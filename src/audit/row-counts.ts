import { countUnplanned, findForeignCode } from '../catalog/foreign-code.ts';
import { sqlState } from '../errors.ts';
import type { Session } from '../session/session.ts';
import type { Table } from './tables.ts';

/** Whether a table is empty, and how many rows it has. `empty` is never an estimate. */
export interface RowCount {
  /** Null if the table could not be read. */
  readonly empty: boolean | null;
  /** Null if unknown. */
  readonly rows: number | null;
  readonly estimated: boolean;
  /** How the count was obtained, or why it is unknown. */
  readonly found: string;
}

/** Tables up to this size in bytes are counted. For larger tables and other access methods, one row is read. */
const countedBytes = 1 << 20;

// The locks of a batch are released together, so that a database with many tables does not fill the lock table.
const batchSize = 200;

const inTime = `set local lock_timeout = '300ms'; set local statement_timeout = '3s'`;

/**
 * Counts the rows of all tables and returns the counts by OID. A heap table whose data file has 0 bytes is empty; this
 * needs no privilege on the table.
 */
export async function readRowCounts(
  session: Session,
  tables: readonly Table[],
): Promise<Map<number, RowCount>> {
  const counts = new Map<number, RowCount>();
  const filled: Table[] = [];
  for (const table of tables) {
    if (table.partitioned) continue;
    if (table.heap && table.rowBytes === 0) counts.set(table.oid, exactly(0, 'the data file is empty'));
    else if (!table.readable) counts.set(table.oid, unknown('the current role cannot read all of its rows'));
    else filled.push(table);
  }
  const foreign = await findForeignCode(
    session,
    filled.map(({ sql }) => sql),
  );
  const plain = filled.filter(({ sql }) => !foreign.has(sql));
  for (let start = 0; start < plain.length; start += batchSize) {
    for (const [oid, count] of await countBatch(session, plain.slice(start, start + batchSize), countPlanned))
      counts.set(oid, count);
  }
  for (const table of filled.filter(({ sql }) => foreign.has(sql))) {
    for (const [oid, count] of await countBatch(session, [table], countWithoutPlan)) counts.set(oid, count);
  }
  addPartitioned(tables, counts);
  return counts;
}

type Count = (session: Session, tables: readonly Table[]) => Promise<Map<number, RowCount>>;

async function countBatch(
  session: Session,
  tables: readonly Table[],
  count: Count,
): Promise<Map<number, RowCount>> {
  try {
    return await count(session, tables);
  } catch (error) {
    // The batch fails if one table is locked, was dropped, or is slow to read. Then each table is counted alone.
    if (sqlState(error) === undefined) throw error;
    const [only, ...others] = tables;
    if (only !== undefined && others.length === 0)
      return new Map([[only.oid, unknown((error as Error).message)]]);
    const counts = new Map<number, RowCount>();
    for (const table of tables)
      for (const [oid, rows] of await countBatch(session, [table], count)) counts.set(oid, rows);
    return counts;
  }
}

async function countPlanned(session: Session, tables: readonly Table[]): Promise<Map<number, RowCount>> {
  const selects = tables.map(({ oid, sql, heap, rowBytes }) =>
    heap && rowBytes <= countedBytes
      ? `select ${oid}::bigint as oid, pg_catalog.count(*) as count, true as exact from only ${sql}`
      : `select ${oid}::bigint as oid, pg_catalog.count(*) as count, false as exact from (select from only ${sql} limit 1) as r`,
  );
  const rows = await within(session, () =>
    session.read<{ oid: number; count: number; exact: boolean }>(selects.join('\nunion all\n')),
  );
  const byOid = new Map(rows.map((row) => [row.oid, row]));
  return new Map(
    tables.map(({ oid, estimate }) => {
      const found = byOid.get(oid);
      if (found === undefined) return [oid, unknown('not checked')];
      const { count, exact } = found;
      if (exact || count === 0) return [oid, exactly(count, 'counted')];
      const rows = estimate > 0 ? Math.round(estimate) : null;
      return [
        oid,
        { empty: false, rows, estimated: true, found: 'contains rows; their number is an estimate' },
      ];
    }),
  );
}

/** Counts without a query: planning a query on these tables would run functions of other roles. */
async function countWithoutPlan(session: Session, tables: readonly Table[]): Promise<Map<number, RowCount>> {
  const counts = new Map<number, RowCount>();
  for (const { oid, sql, rowBytes } of tables) {
    const isSmall = rowBytes <= countedBytes;
    const count = isSmall ? await within(session, () => countUnplanned(session, sql)) : undefined;
    counts.set(
      oid,
      count === undefined
        ? unknown('reading it would run functions of other roles')
        : exactly(count, 'counted'),
    );
  }
  return counts;
}

/** Runs `work` with short timeouts, in a savepoint that is rolled back to release its locks. */
function within<T>(session: Session, work: () => Promise<T>): Promise<T> {
  return session.attempt(() =>
    session.rehearse(async () => {
      await session.run(inTime);
      return work();
    }),
  );
}

/** Adds the counts of partitioned tables: the sums over their partitions. */
function addPartitioned(tables: readonly Table[], counts: Map<number, RowCount>): void {
  const parts = new Map<number, Table[]>();
  for (const table of tables) {
    if (table.parent === null) continue;
    const siblings = parts.get(table.parent) ?? [];
    siblings.push(table);
    parts.set(table.parent, siblings);
  }
  const add = (table: Table): RowCount => {
    const known = counts.get(table.oid);
    if (known !== undefined) return known;
    const partitions = [
      ...(parts.get(table.oid) ?? []).map(add),
      ...table.foreignPartitions.map((part) => unknown(`${part} is a foreign table, which may have rows`)),
    ];
    const full = partitions.some(({ empty }) => empty === false);
    const unseen = partitions.find(({ empty }) => empty === null);
    const rows = partitions.some((part) => part.rows === null)
      ? null
      : partitions.reduce((sum, part) => sum + (part.rows ?? 0), 0);
    const estimated = partitions.some((part) => part.estimated);
    const count =
      unseen === undefined || full
        ? { empty: !full, rows, estimated, found: `counted in ${partitions.length} partitions` }
        : unknown(`a partition could not be checked: ${unseen.found}`);
    counts.set(table.oid, count);
    return count;
  };
  for (const table of tables) if (table.partitioned) add(table);
}

function exactly(rows: number, found: string): RowCount {
  return { empty: rows === 0, rows, estimated: false, found };
}

function unknown(reason: string): RowCount {
  return { empty: null, rows: null, estimated: false, found: reason };
}
