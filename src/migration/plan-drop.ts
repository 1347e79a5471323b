import type { Knex } from 'knex';
import { type DropOptions, parseOptions } from '../options/options.ts';
import type { Plan } from '../up/read-plan.ts';

/**
 * What `up` would do with these options, read-only and without locks: it may look different a moment later. Rows, dependents
 * and obstacles are told, not refused.
 *
 * @param knex a connection or transaction of the client `pg`
 * @param given as for `reversibleDrop`; the environment is heeded likewise
 * @throws UndropError `bad-options`, `unsupported-server`, `not-a-table`, `extension-member`, `approval-missing`
 */
export async function planDrop(knex: Knex, given: DropOptions): Promise<Plan> {
  const options = parseOptions(given);
  // Only now: whatever imports `reversibleDrop` imports this file.
  const { readPlan } = await import('../up/read-plan.ts');
  return readPlan(knex, options);
}
