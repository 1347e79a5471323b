import type { Knex } from 'knex';
import { readApprovals } from '../options/approvals.ts';
import { type DropOptions, type Options, parseOptions } from '../options/options.ts';
import { logTo } from '../text/log.ts';

// Registered symbols, since a loader may give migrations another copy of this module.
const optionsOf = Symbol.for('knex-undrop.options');
const toldName = Symbol.for('knex-undrop.name');

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
 * and `down` reads the environment again. They log to stderr, or to `log.info` or `log.debug` of the Knex configuration.
 *
 * @param given the options
 * @throws UndropError `bad-options`, listing all mistakes
 */
export function reversibleDrop(given: DropOptions): ReversibleDrop {
  let told: string | undefined;
  const parse = (): Options => parseOptions(given, process.env, told);
  // Without a name, the others are checked now, and the name when it is used.
  const options = parseOptions(given, process.env, unnamed);
  const ready = Object.assign(() => isReady(options), { waitsFor: waitsFor(options) });
  // The implementation is loaded on use: every knexfile that imports this package loads this file.
  const up = async (knex: Knex): Promise<void> => {
    const current = parse();
    const run = await import('../up/up.ts');
    return logTo(logOf(knex), () => run.up(knex, current));
  };
  const down = async (knex: Knex): Promise<void> => {
    const current = parse();
    const run = await import('../down/down.ts');
    return logTo(logOf(knex), () => run.down(knex, current));
  };
  const tell = (name: string): void => {
    told = name;
  };
  return { up: Object.assign(up, { [optionsOf]: parse, [toldName]: tell }), down, ready };
}

const unnamed = 'unnamed';

/** Tells a loaded migration its name, for one whose options do not state it. */
export function tellName(module: object, name: string): void {
  const up: unknown = 'up' in module ? module.up : undefined;
  if (typeof up === 'function' && toldName in up) (up[toldName] as (name: string) => void)(name);
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

/** The function of the Knex configuration that logs information. Loggers of Knex have `debug`, those of others `info` too. */
function logOf(knex: Knex | undefined): ((line: string) => void) | undefined {
  const log: Record<string, unknown> = Object(knex?.client?.config?.log);
  const write = log.info ?? log.debug;
  return typeof write === 'function' ? (line) => void write.call(log, line) : undefined;
}

function isReady({ approval, tables }: Options): boolean {
  if (approval === 'none') return true;
  const approvals = readApprovals();
  return tables.some(({ written }) => approvals.has(written));
}

function waitsFor({ tables }: Options): string {
  return `approval of ${tables.map(({ written }) => written).join(', ')} in APPROVED_DROPS or by undrop approve`;
}
