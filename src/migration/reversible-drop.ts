import type { Knex } from 'knex';
import { readApprovals } from '../options/approvals.ts';
import { type DropOptions, type Options, parseOptions } from '../options/options.ts';

// Registered, since a loader may give migrations a copy of this module of their own.
const optionsOf = Symbol.for('knex-undrop.options');

/** What a Knex migration exports. */
export interface ReversibleDrop {
  /**
   * Drops the tables, in Knex's transaction or in one of its own, once the way back has been rehearsed.
   *
   * @throws UndropError whatever refuses it, with nothing changed; `up` of what has been dropped already does nothing
   */
  up(knex: Knex): Promise<void>;
  /**
   * Brings the tables back as they were, or throws and changes nothing.
   *
   * @throws UndropError `archive-missing`, `archive-damaged`, `name-taken`, `prerequisite-gone`, `restore-failed`, `restore-differs`
   */
  down(knex: Knex): Promise<void>;
  /** Whether the migration may be offered to Knex: false while it waits for approval of all of its tables. */
  ready: Ready;
}

/** Asked by the migrations of `undropConfig`; a stock Knex does not know it. */
export interface Ready {
  (): boolean;
  /** What it waits for, in words. */
  readonly waitsFor: string;
}

/**
 * A migration that drops tables and can bring them back exactly:
 *
 * ```ts
 * export const { up, down, ready } = reversibleDrop({ name: '044_cleanup', tables: { old_runs: 'Unused since 2023.' } });
 * ```
 *
 * The options are parsed when Knex loads the migration, so a mistake in them stops it before anything runs; the
 * environment is read again by each `up` and `down`.
 *
 * @param given the options; mistakes in them are all listed in one error
 * @throws UndropError `bad-options`
 */
export function reversibleDrop(given: DropOptions): ReversibleDrop {
  const options = parseOptions(given);
  const ready = Object.assign(() => isReady(options), { waitsFor: waitsFor(options) });
  // What does the work is loaded once there is work: every knexfile that imports this package loads this file.
  const up = async (knex: Knex): Promise<void> => {
    const now = parseOptions(given);
    return (await import('../up/up.ts')).up(knex, now);
  };
  const down = async (knex: Knex): Promise<void> => {
    const now = parseOptions(given);
    return (await import('../down/down.ts')).down(knex, now);
  };
  return { up: Object.assign(up, { [optionsOf]: () => parseOptions(given) }), down, ready };
}

/** The options behind the `up` of a loaded migration, as the environment is now; undefined where it is not one of ours. */
export function dropOptionsOf(up: unknown): Options | undefined {
  return typeof up === 'function' && optionsOf in up ? (up[optionsOf] as () => Options)() : undefined;
}

/** The tables of loaded migrations that ask for approval, as the migrations write them. */
export function tablesToApprove(migrations: readonly { module: object }[]): string[] {
  return migrations.flatMap(({ module }) => {
    const options = 'up' in module ? dropOptionsOf(module.up) : undefined;
    return options?.approval === 'each-table' ? options.tables.map(({ written }) => written) : [];
  });
}

/** Whether a loaded migration asks for a backup, as the environment is now. */
export function asksForBackup(module: object): boolean {
  const options = 'up' in module ? dropOptionsOf(module.up) : undefined;
  return options?.backup === 'required';
}

function isReady({ approval, tables }: Options): boolean {
  if (approval === 'none') return true;
  const approvals = readApprovals();
  return tables.some(({ written }) => approvals.has(written));
}

function waitsFor({ tables }: Options): string {
  return `approval: APPROVED_DROPS may name ${tables.map(({ written }) => written).join(', ')}`;
}
