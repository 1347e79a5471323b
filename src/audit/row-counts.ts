import { countUnplanned, findForeignCode } from '../catalog/foreign-code.ts';
import { sqlState } from '../errors.ts';
import type { Session } from '../session/session.ts';
import type { Table } from './tables.ts';

/** Whether a table is empty, as looked at and never as estimated; and how many rows it has. */
export interface RowCount {
  /** Null where it could not be looked into. */
  readonly empty: boolean | null;
  /** Null where that is not known. */
  readonly rows: number | null;
  readonly estimated: boolean;
  /** How it is known, or why it is not. */
  readonly found: string;
}

/** Tables up to this size are counted. Of larger ones, and where the size says nothing, one row is looked for. */
const countedBytes = 1 << 20;

// All locks of a batch are let go together, so that a database of many tables does not fill the lock table.
const batchSize = 200;

const inTime = `set local lock_timeout = '300ms'; set local statement_timeout = '3s'`;

/** By OID. A file of no bytes holds no rows: so the empty ones cost nothing, and need no right to read them. */
export async function countRows(session: Session, tables: readonly Table[]): Promise<Map<number, RowCount>> {
  const counts = new Map<number, RowCount>();
  const filled: Table[] = [];
  for (const table of tables) {
    if (table.partitioned) continue;
    if (table.heap && table.rowBytes === 0) counts.set(table.oid, exactly(0, 'its file has no bytes'));
    else if (!table.readable) counts.set(table.oid, unknown('this role may not see all of its rows'));
    else filled.push(table);
  }
  const foreign = await findForeignCode(
    session,
    filled.map(({ sql }) => sql),
  );
  const plain = filled.filter(({ sql }) => !foreign.has(sql));
  for (let start = 0; start < plain.length; start += batchSize) {
    for (const [oid, count] of await countBatch(session, plain.slice(start, start + batchSize), look))
      counts.set(oid, count);
  }
  for (const table of filled.filter(({ sql }) => foreign.has(sql))) {
    for (const [oid, count] of await countBatch(session, [table], lookUnplanned)) counts.set(oid, count);
  }
  addPartitioned(tables, counts);
  return counts;
}

type Look = (session: Session, tables: readonly Table[]) => Promise<Map<number, RowCount>>;

async function countBatch(
  session: Session,
  tables: readonly Table[],
  look: Look,
): Promise<Map<number, RowCount>> {
  try {
    return await look(session, tables);
  } catch (error) {
    // One table that is locked, gone or slow to read spoils its batch: each is looked at alone.
    if (sqlState(error) === undefined) throw error;
    const [only, ...others] = tables;
    if (only !== undefined && others.length === 0)
      return new Map([[only.oid, unknown((error as Error).message)]]);
    const counts = new Map<number, RowCount>();
    for (const table of tables)
      for (const [oid, count] of await countBatch(session, [table], look)) counts.set(oid, count);
    return counts;
  }
}

async function look(session: Session, tables: readonly Table[]): Promise<Map<number, RowCount>> {
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
      if (found === undefined) return [oid, unknown('it was not looked into')];
      const { count, exact } = found;
      if (exact || count === 0) return [oid, exactly(count, 'counted')];
      const rows = estimate > 0 ? Math.round(estimate) : null;
      return [
        oid,
        { empty: false, rows, estimated: true, found: 'a row was found, their number is estimated' },
      ];
    }),
  );
}

/** A query would run functions of others as soon as it is planned. */
async function lookUnplanned(session: Session, tables: readonly Table[]): Promise<Map<number, RowCount>> {
  const counts = new Map<number, RowCount>();
  for (const { oid, sql, rowBytes } of tables) {
    const isSmall = rowBytes <= countedBytes;
    const count = isSmall ? await within(session, () => countUnplanned(session, sql)) : undefined;
    counts.set(
      oid,
      count === undefined ? unknown('to look would run functions of others') : exactly(count, 'counted'),
    );
  }
  return counts;
}

/** Locks nothing for longer than it looks, nor waits for long. */
function within<T>(session: Session, work: () => Promise<T>): Promise<T> {
  return session.attempt(() =>
    session.rehearse(async () => {
      await session.run(inTime);
      return work();
    }),
  );
}

/** A partitioned table is as empty as all of its partitions are. */
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
    const of = (parts.get(table.oid) ?? []).map(add);
    const full = of.some(({ empty }) => empty === false);
    const unseen = of.find(({ empty }) => empty === null);
    const rows = of.some((part) => part.rows === null)
      ? null
      : of.reduce((sum, part) => sum + (part.rows ?? 0), 0);
    const estimated = of.some((part) => part.estimated);
    const count =
      unseen === undefined || full
        ? { empty: !full, rows, estimated, found: `over ${of.length} partitions` }
        : unknown(`of a partition: ${unseen.found}`);
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
