import { join } from 'node:path';
import type { Knex } from 'knex';
import { withoutExtension } from '../options/migration-name.ts';
import { say } from '../text/log.ts';
import type { LoadedFile } from './same-names.ts';

export interface SourceOptions {
  /** Absolute path. */
  folder: string;
  /** Reads the recorded names of completed migrations, by their names without extension. Called for every listing. */
  completed: () => Promise<ReadonlyMap<string, string>>;
  /**
   * Checks all migrations before a listing returns; its errors reach the user. Read for every listing: where it is
   * undefined, completed migrations are not loaded.
   */
  check?: Check | Promise<Check | undefined> | undefined;
  /** Called before a migration runs, outside of Knex's transaction; once for every listing. */
  beforeUp?: ((module: object) => Promise<void>) | undefined;
}

type Check = (migrations: { name: string; module: object }[]) => void | Promise<void>;

/** A migration as Knex sees it. */
export interface MigrationEntry {
  /** Without extension, unless the migrations table holds it with one. */
  name: string;
  /** The same as `name`: `migrate:list` prints it, and `migrate:up` and `migrate:down` take it. */
  file: string;
  /** Absolute. */
  path: string;
}

/**
 * Whether a pending migration is offered to Knex. If not, the reason is logged where it matters:
 * `045_x waits for ${waitsFor}`.
 */
export interface Ready {
  (): boolean | Promise<boolean>;
  waitsFor?: string;
}

interface MigrationModule extends Knex.Migration {
  ready?: Ready;
}

const reported = new Set<string>();

/** The migrations of one folder. Their names have no extension, so that sources and a compiled build share them. */
export class UndropMigrationSource implements Knex.MigrationSource<MigrationEntry> {
  readonly #options: SourceOptions;
  /** The folder. Its name marks this source, of which a project may have a second copy of the class. */
  readonly undropFolder: string;
  /** Names of pending migrations that Knex has not loaded since the last listing. */
  #pending = new Set<string>();

  constructor(options: SourceOptions) {
    this.#options = options;
    this.undropFolder = options.folder;
  }

  /**
   * @throws UndropError `bad-options` where the folder cannot be read, and where a pending migration has the archive
   * name of another one; as `completed` and `check`
   */
  async getMigrations(): Promise<MigrationEntry[]> {
    // Must be called first, without an await before it: Knex's connection waits for the preparation that this starts.
    const completed = await this.#options.completed();
    const { folder } = this.#options;
    const check = await this.#options.check;
    const { listFiles } = await import('./list-files.ts');
    this.#pending.clear();
    const offered: MigrationEntry[] = [];
    const loaded: LoadedFile[] = [];
    const waiting: string[] = [];
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
      if (recorded === undefined && !((await module.ready?.()) ?? true)) {
        waiting.push(describeWaiting(stem, module.ready));
        continue;
      }
      offered.push(entry);
      if (recorded === undefined) this.#pending.add(name);
    }
    if (loaded.some(({ hasRun }) => !hasRun)) {
      const { refuseSameNames } = await import('./same-names.ts');
      refuseSameNames(loaded);
    }
    await check?.(loaded);
    if (mattersNow(this.#pending.size)) report(waiting);
    return offered;
  }

  getMigrationName(entry: MigrationEntry): string {
    return entry.name;
  }

  /** Knex calls this for the migrations that it is about to run, before it begins their transaction. */
  async getMigration(entry: MigrationEntry): Promise<MigrationModule> {
    const module = await load(entry);
    if (this.#pending.delete(entry.name)) await this.#options.beforeUp?.(module);
    return module;
  }
}

async function load({ name, path }: MigrationEntry): Promise<MigrationModule> {
  const { importModule } = await import('./import-module.ts');
  const module = await importModule(path);
  // Node does not detect all named exports of a CommonJS file; then they are in the default export.
  const migration = typeof module.up === 'function' ? module : Object(module.default ?? module);
  const { tellName } = await import('./reversible-drop.ts');
  tellName(migration, withoutExtension(name));
  return migration as MigrationModule;
}

function describeWaiting(name: string, ready: Ready | undefined): string {
  return ready?.waitsFor ? `${name} waits for ${ready.waitsFor}` : `${name} is not ready`;
}

/**
 * Whether the user has to know which migrations wait: in a list of migrations, and if no other migration is pending; but
 * not in a rollback. Knex does not tell a source why it lists, so the arguments of its command decide.
 */
function mattersNow(pending: number): boolean {
  const command = process.argv.find((word) => word.startsWith('migrate:'));
  if (command === 'migrate:list') return true;
  return pending === 0 && command !== 'migrate:rollback' && command !== 'migrate:down';
}

function report(lines: readonly string[]): void {
  for (const line of lines) {
    if (!reported.has(line)) say(line);
    reported.add(line);
  }
}
