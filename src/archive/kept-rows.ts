import type { Difference } from '../capture/compare.ts';
import type { RowTable } from '../catalog/families/rows.ts';
import { readPresent } from '../catalog/present.ts';
import { unpublished } from '../catalog/unpublished.ts';
import { explainRows } from '../catalog/unreadable-rows.ts';
import { sqlState, UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { withProgress } from '../text/progress.ts';
import { countOf } from '../text/units.ts';
import { explainDifference } from './differing-rows.ts';
import { digestRows } from './digest-rows.ts';
import { refuseReplicated } from './foreign-archive.ts';
import { closeRelations } from './revoke-rights.ts';

/** The archive's copy of the rows of one table. */
export interface KeptRows {
  /** Qualified and quoted. */
  readonly table: string;
  /** The table of the archive that holds them, until they are restored. */
  readonly store: string;
  readonly count: string;
  readonly digest: string;
}

/** The table of the archive that holds the copied rows of a table, by the number of the table in its entry. */
export function storeOfCopy(entry: number, number: number): string {
  return `undrop.rows_${entry}_${number}`;
}

/**
 * Copies the rows of tables into the archive, and counts and digests them.
 *
 * @throws UndropError `insufficient-privilege` where row-level security or missing rights hide rows; `not-reproducible`
 * where a row is too large, or the server cannot plan a query on the table
 */
export async function keepRows(session: Session, tables: readonly RowTable[]): Promise<KeptRows[]> {
  if (tables.length === 0) return [];
  return unforced(
    session,
    tables.map(({ table }) => table),
    async () => {
      const rows: KeptRows[] = [];
      let current = '';
      try {
        await session.attempt(async () => {
          for await (const { table, store, create, fill } of withProgress(
            'copy rows',
            tables,
            ({ table }) => table,
          )) {
            current = table;
            await session.run(create);
            await unpublished(session, [store], () => session.run(fill));
            rows.push({ table, store, ...(await digestRows(session, table)) });
          }
        });
      } catch (error) {
        throw sqlState(error) === '42501'
          ? mayNotCopy(error, current)
          : await explainRows(session, error, current);
      }
      await closeRelations(
        session,
        rows.map(({ store }) => store),
      );
      return rows;
    },
  );
}

/** Compares the rows of tables with the count and the digest in the archive. */
export async function compareRows(session: Session, rows: readonly KeptRows[]): Promise<Difference[]> {
  if (rows.length === 0) return [];
  const tables = rows.map(({ table }) => table);
  const differences: Difference[] = [];
  await unforced(session, tables, async () => {
    for await (const { table, store, ...kept } of withProgress('compare rows', rows, ({ table }) => table)) {
      const current = await digestRows(session, table, kept.digest);
      const about = { object: `table ${table}`, catalog: 'rows' };
      if (kept.count !== current.count)
        differences.push({ ...about, column: 'count', before: kept.count, after: current.count });
      if (kept.digest === current.digest) continue;
      const why = kept.count === current.count ? await explainDifference(session, table, store) : '';
      const after = why === '' ? current.digest : `${current.digest} (${why})`;
      differences.push({ ...about, column: 'digest', before: kept.digest, after });
    }
  });
  return differences;
}

/**
 * @throws UndropError `archive-damaged` where tables of the archive that hold rows no longer exist; `archive-foreign` where
 * they did not come with the archive by logical replication
 */
export async function checkStores(session: Session, rows: readonly KeptRows[]): Promise<void> {
  const stores = rows.map(({ store }) => store);
  const present = new Set(await readPresent(session, stores));
  const absent = rows.filter(({ store }) => !present.has(store));
  if (absent.length === 0) return;
  await refuseReplicated(session);
  const names = absent.map(({ table }) => table).join(', ');
  throw new UndropError('archive-damaged', {
    subject: names,
    message: `The archive no longer holds the rows of ${names}.`,
    reason: `These tables no longer exist: ${absent.map(({ store }) => store).join(', ')}.`,
    next: 'Restore the tables from a backup.',
  });
}

const storesSql = /* sql */ `
  select r.store from undrop.rows as r
  where r.drop_id = any ($1) and pg_catalog.to_regclass(r.store) is not null
  order by r.store`;

/** Drops the copied rows that entries hold. */
export async function dropStores(session: Session, entries: readonly number[]): Promise<void> {
  const stores = await session.read<{ store: string }>(storesSql, [entries]);
  if (stores.length > 0) await session.run(`drop table ${stores.map(({ store }) => store).join(', ')}`);
}

/** The total over all tables: `3 rows`. */
export function describeKept(rows: readonly KeptRows[]): string {
  const sum = rows.reduce((total, { count }) => total + BigInt(count), 0n);
  return countOf(sum, 'row');
}

const forcedSql = /* sql */ `
  select t.name
  from pg_catalog.unnest($1::text[]) with ordinality as t (name, position)
  join pg_catalog.pg_class as c on c.oid = pg_catalog.to_regclass(t.name)
  where c.relforcerowsecurity
  order by t.position`;

/** Does the work with FORCE ROW LEVEL SECURITY removed, under which the owner would see only some of the rows. */
async function unforced<T>(session: Session, tables: readonly string[], work: () => Promise<T>): Promise<T> {
  const forced = await session.read<{ name: string }>(forcedSql, [tables]);
  const set = async (action: 'no force' | 'force') => {
    for (const { name } of forced) await session.run(`alter table only ${name} ${action} row level security`);
  };
  await set('no force');
  const result = await work();
  await set('force');
  return result;
}

function mayNotCopy(error: unknown, table: string): UndropError {
  return new UndropError('insufficient-privilege', {
    subject: table,
    message: `This role cannot copy the rows of ${table}.`,
    reason: error instanceof Error ? error.message : String(error),
    next: 'Run the migration as a role that may read all of the rows, has USAGE on the types of the columns, and may create tables in the schema undrop.',
    cause: error,
  });
}
