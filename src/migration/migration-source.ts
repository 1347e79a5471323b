import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Knex } from 'knex';
import { UndropError } from '../errors.ts';
import { withoutExtension } from '../options/migration-name.ts';
import { say } from '../text/log.ts';
import type { LoadedFile } from './same-names.ts';

export interface SourceOptions {
  /** Absolute path. */
  folder: string;
  /** The recorded names of completed migrations by their names without extension; read for every listing. */
  completed: () => Promise<ReadonlyMap<string, string>>;
  /**
   * Looks at all migrations before any is offered; what it throws reaches the user. Asked for anew for every listing: where
   * there is none, those that have run are not loaded.
   */
  check?: ((migrations: { name: string; module: object }[]) => void | Promise<void>) | undefined;
  /** What takes long and needs no transaction, of a migration that is about to run; once for every listing. */
  beforeUp?: ((module: object) => Promise<void>) | undefined;
}

/** What Knex gets to see of a migration. */
export interface MigrationEntry {
  /** Without extension, unless the ledger holds it with one. */
  name: string;
  /** The same: what `migrate:list` prints is what `migrate:up` and `migrate:down` take. */
  file: string;
  /** Absolute. */
  path: string;
}

/**
 * Whether Knex is offered a migration that has not run. Where it is not, one line says what it waits for:
 * `045_x waits for ${waitsFor}`.
 */
export interface Ready {
  (): boolean | Promise<boolean>;
  waitsFor?: string;
}

interface MigrationModule extends Knex.Migration {
  ready?: Ready;
}

// Of x.ts and x.js beside it, the source counts: the other may be stale.
const extensions = ['.ts', '.mts', '.js', '.mjs', '.cjs'];

const said = new Set<string>();

/** The migrations of one folder, under names that sources and their compiled build share. */
export class UndropMigrationSource implements Knex.MigrationSource<MigrationEntry> {
  readonly #options: SourceOptions;
  /** Names of migrations that have not run and that Knex has not asked for since the last listing. */
  #pending = new Set<string>();

  constructor(options: SourceOptions) {
    this.#options = options;
  }

  /**
   * @throws UndropError `bad-options` where there is no folder, and where one that has not run drops tables under the name of
   * another; whatever `completed` and `check` throw
   */
  async getMigrations(): Promise<MigrationEntry[]> {
    // First, and without waiting for anything: the connection of Knex waits for what this starts.
    const completed = await this.#options.completed();
    const { folder, check } = this.#options;
    this.#pending.clear();
    const offered: MigrationEntry[] = [];
    const loaded: LoadedFile[] = [];
    for (const { stem, file } of await listFiles(folder)) {
      const recorded = completed.get(stem);
      const name = recorded ?? stem;
      const entry = { name, file: name, path: join(folder, file) };
      if (recorded !== undefined && !check) {
        offered.push(entry);
        continue;
      }
      const module = await load(entry);
      loaded.push({ name: stem, module, file, hasRun: recorded !== undefined });
      if (recorded === undefined && !(await isReady(stem, module.ready))) continue;
      offered.push(entry);
      if (recorded === undefined) this.#pending.add(name);
    }
    if (loaded.some(({ hasRun }) => !hasRun)) {
      const { refuseSameNames } = await import('./same-names.ts');
      refuseSameNames(loaded);
    }
    await check?.(loaded);
    return offered;
  }

  getMigrationName(entry: MigrationEntry): string {
    return entry.name;
  }

  /** Knex asks for those that it is about to run, before it opens the transaction for all of them. */
  async getMigration(entry: MigrationEntry): Promise<MigrationModule> {
    const module = await load(entry);
    if (this.#pending.delete(entry.name)) await this.#options.beforeUp?.(module);
    return module;
  }
}

async function load(entry: MigrationEntry): Promise<MigrationModule> {
  const module = await import(pathToFileURL(entry.path).href);
  // Of a CommonJS file Node finds the named exports only where they are plain to see.
  return typeof module.up === 'function' ? module : (module.default ?? module);
}

async function listFiles(folder: string): Promise<{ stem: string; file: string }[]> {
  let files: string[];
  try {
    files = await readdir(folder);
  } catch (cause) {
    throw new UndropError('bad-options', {
      subject: folder,
      message: `The migrations folder ${folder} cannot be read.`,
      reason: (cause as Error).message,
      next: 'Create the folder, or name the right one: undropConfig({ migrations: … }).',
      cause,
    });
  }
  const found = new Map<string, string>();
  for (const extension of extensions) {
    for (const file of files) {
      const stem = withoutExtension(file);
      if (file !== stem + extension || stem.endsWith('.d') || found.has(stem)) continue;
      found.set(stem, file);
    }
  }
  return [...found].map(([stem, file]) => ({ stem, file })).sort((a, b) => (a.stem < b.stem ? -1 : 1));
}

async function isReady(name: string, ready: Ready | undefined): Promise<boolean> {
  if (!ready || (await ready())) return true;
  const line = ready.waitsFor ? `${name} waits for ${ready.waitsFor}` : `${name} is not ready`;
  if (!said.has(line)) say(line);
  said.add(line);
  return false;
}
