import type { Knex } from 'knex';
import type { Statement } from './capture.ts';
import type { Obstacle } from './catalog/refusals.ts';
import type { Filled } from './check.ts';
import { type DropOptions, parseOptions } from './options.ts';

/** What `up` would do. */
export interface Plan {
  /** Those that would be dropped, as the migration writes them, each with what an approval of it may be bound to. */
  readonly tables: readonly { table: string; fingerprint: string; reason: string | undefined }[];
  /** Tables that the migration names and that are not there. */
  readonly missing: readonly string[];
  /** Every object that would go, tables first, under PostgreSQL's names; outsiders are those of no named table. */
  readonly closure: readonly { kind: string; identity: string; outsider: boolean }[];
  /** Tables that are not empty. */
  readonly filled: readonly Filled[];
  /** What could not be brought back exactly. */
  readonly obstacles: readonly Obstacle[];
  /** The statements that `down` would replay, in order. */
  readonly statements: readonly Statement[];
  /** Of all tables together: 12 hexadecimal digits, the same as long as nothing about them changes but rows and sequences. */
  readonly fingerprint: string;
}

/**
 * What `up` would do with these options, read-only and without locks: it may look different a moment later. Rows, outsiders
 * and obstacles are told, not refused.
 *
 * @param knex a connection or transaction of the client `pg`
 * @param given as for `reversibleDrop`; the environment is heeded likewise
 * @throws UndropError `bad-options`, `unsupported-server`, `not-a-table`, `extension-member`, `approval-missing`
 */
export async function planDrop(knex: Knex, given: DropOptions): Promise<Plan> {
  const options = parseOptions(given);
  // Only now: whatever imports `reversibleDrop` imports this file.
  const { readPlan } = await import('./plan-tables.ts');
  return readPlan(knex, options);
}
