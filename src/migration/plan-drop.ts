import type { Knex } from 'knex';
import { type DropOptions, parseOptions } from '../options/options.ts';
import type { Plan } from '../up/read-plan.ts';

/**
 * What `up` would do with these options. Read-only and without locks, so the result may be out of date at once. Rows,
 * dependent objects and obstacles are reported, not refused.
 *
 * @param knex a connection or transaction of the client `pg`
 * @param given the options, as for `reversibleDrop`; environment variables apply too
 * @throws UndropError `bad-options`, `unsupported-server`, `not-a-table`, `extension-member`, `approval-missing`
 */
export async function planDrop(knex: Knex, given: DropOptions): Promise<Plan> {
  const options = parseOptions(given);
  // Loaded on use: every knexfile that imports this package loads this file.
  const { readPlan } = await import('../up/read-plan.ts');
  return readPlan(knex, options);
}
