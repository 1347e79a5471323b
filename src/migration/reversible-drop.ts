import type { Knex } from 'knex';
import { readApprovals } from '../options/approvals.ts';
import { type DropOptions, type Options, parseOptions } from '../options/options.ts';

// A registered symbol, since a loader may give migrations another copy of this module.
const optionsOf = Symbol.for('knex-undrop.options');

/** The exports of a Knex migration. */
export interface ReversibleDrop {
  /**
   * Drops the tables and rehearses their restore, in Knex's transaction or in one of its own. Does nothing where they
   * were dropped already.
   *
   * @throws UndropError of any code that the drop is refused with; nothing is changed then
   */
  up(knex: Knex): Promise<void>;
  /**
   * Restores the tables as they were. If it throws, nothing was changed.
   *
   * @throws UndropError `archive-missing`, `archive-damaged`, `name-taken`, `prerequisite-gone`, `restore-failed`,
   * `restore-differs`
   */
  down(knex: Knex): Promise<void>;
  /** Whether the migration is offered to Knex: false while none of its tables has the approval that it needs. */
  ready: Ready;
}

/** Used by the migration source of `undropConfig`. Knex's own source ignores it. */
export interface Ready {
  (): boolean;
  /** What the migration waits for, for the log. */
  readonly waitsFor: string;
}

/**
 * A migration that drops tables and can restore them exactly:
 *
 * ```ts
 * export const { up, down, ready } = reversibleDrop({ name: '044_cleanup', tables: { old_runs: 'Unused since 2023.' } });
 * ```
 *
 * The options are parsed when Knex loads the migration, so that a mistake stops Knex before it runs anything. Each `up`
 * and `down` reads the environment again.
 *
 * @param given the options
 * @throws UndropError `bad-options`, listing all mistakes
 */
export function reversibleDrop(given: DropOptions): ReversibleDrop {
  const options = parseOptions(given);
  const ready = Object.assign(() => isReady(options), { waitsFor: waitsFor(options) });
  // The implementation is loaded on use: every knexfile that imports this package loads this file.
  const up = async (knex: Knex): Promise<void> => {
    const current = parseOptions(given);
    return (await import('../up/up.ts')).up(knex, current);
  };
  const down = async (knex: Knex): Promise<void> => {
    const current = parseOptions(given);
    return (await import('../down/down.ts')).down(knex, current);
  };
  return { up: Object.assign(up, { [optionsOf]: () => parseOptions(given) }), down, ready };
}

/**
 * The options of a loaded migration, by its `up`, with the current environment; undefined where `reversibleDrop` did
 * not make it.
 */
export function dropOptionsOf(up: unknown): Options | undefined {
  return typeof up === 'function' && optionsOf in up ? (up[optionsOf] as () => Options)() : undefined;
}

/** The tables of loaded migrations that need approval, as the migrations write them. */
export function tablesToApprove(migrations: readonly { module: object }[]): string[] {
  return migrations.flatMap(({ module }) => {
    const options = 'up' in module ? dropOptionsOf(module.up) : undefined;
    return options?.approval === 'each-table' ? options.tables.map(({ written }) => written) : [];
  });
}

/** Whether a loaded migration requires a backup, with the current environment. */
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
  return `approval of ${tables.map(({ written }) => written).join(', ')} in APPROVED_DROPS`;
}
