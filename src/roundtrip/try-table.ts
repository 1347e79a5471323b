import { down } from '../down/down.ts';
import { exitCodeOf, isUndropError } from '../errors.ts';
import { parseOptions } from '../options/options.ts';
import { inSession } from '../session/session.ts';
import { quietly } from '../text/log.ts';
import { up } from '../up/up.ts';
import type { Copy } from './copies.ts';

export const outcomes = ['exact', 'refused', 'different', 'failed'] as const;

export interface Result {
  readonly table: string;
  readonly outcome: (typeof outcomes)[number];
  readonly code: string | null;
  readonly reason: string | null;
}

/** Drops, or moves, and restores one table of a copy. After the outcome `different` or `failed` the copy must not be used again. */
export async function tryTable(
  { knex }: Copy,
  table: string,
  rows: 'copy' | 'move' = 'copy',
): Promise<Result> {
  // Without the environment variables, which apply to migrations.
  const options = parseOptions(
    { name: `roundtrip of ${table}`, tables: [table], dependents: 'cascade', rows },
    { UNDROP_COPY_LIMIT: 'off' },
  );
  const oid = () =>
    inSession(knex, async (session) => {
      const [row] = await session.read<{ oid: number | null }>(
        'select pg_catalog.to_regclass($1)::oid::bigint as oid',
        [table],
      );
      return row?.oid ?? null;
    });
  const before = await oid();
  try {
    await quietly(() => up(knex, options));
  } catch (error) {
    const isSame = (await oid()) === before;
    if (isRefusal(error) && isSame) return { table, outcome: 'refused', ...describe(error) };
    const { code, reason } = describe(error);
    return {
      table,
      outcome: 'failed',
      code,
      reason: isSame ? reason : `The table is not the same after up failed. ${reason}`,
    };
  }
  try {
    await quietly(() => down(knex, options));
  } catch (error) {
    const isDifference = isUndropError(error) && error.code === 'restore-differs';
    return { table, outcome: isDifference ? 'different' : 'failed', ...describe(error) };
  }
  return { table, outcome: 'exact', code: null, reason: null };
}

function isRefusal(error: unknown): boolean {
  return exitCodeOf(error) === 3 || (isUndropError(error) && error.code === 'insufficient-privilege');
}

function describe(error: unknown): { code: string; reason: string } {
  if (isUndropError(error)) {
    const message = error.code === 'not-reproducible' ? '' : `${error.message}\n`;
    return { code: error.code, reason: `${message}${error.reason}` };
  }
  return { code: 'unexpected', reason: error instanceof Error ? error.message : String(error) };
}
