import { extname, join, resolve } from 'node:path';
import type { Knex } from 'knex';
import type { NamedLedger } from '../knex/find-ledgers.ts';
import { withoutExtension } from '../options/migration-name.ts';
import type { Options } from '../options/options.ts';
import { quietly } from '../text/log.ts';
import { importModule } from './import-module.ts';
import { readFolder } from './list-files.ts';
import { type Knexfile, within } from './load-knexfile.ts';
import { UndropMigrationSource } from './migration-source.ts';
import { dropOptionsOf } from './reversible-drop.ts';

/** A loaded migration. */
export interface Loaded {
  /** Without extension. */
  readonly name: string;
  /** Whether Knex would run it, if it is pending. */
  readonly offered: boolean;
  readonly waitsFor: string | null;
  /** Undefined where `reversibleDrop` did not make it. */
  readonly options: Options | undefined;
}

/** The migrations of a project. */
export interface Migrations {
  /** The table in which Knex records them; undefined where no knexfile names it. */
  readonly ledger: NamedLedger | undefined;
  /**
   * Loads them, in the order in which they run.
   *
   * @param recorded the names of completed migrations
   * @throws UndropError `bad-options` where a folder cannot be read; errors of loading a migration
   */
  load(recorded: readonly string[]): Promise<Loaded[]>;
}

interface Module {
  up?: unknown;
  ready?: { waitsFor?: string };
}

/** The migrations of a folder, as `undropConfig` offers them to Knex. */
export function migrationsIn(folder: string, ledger?: NamedLedger): Migrations {
  const load: Migrations['load'] = async (recorded) => {
    const completed = new Map(recorded.map((name) => [withoutExtension(name), name]));
    let all: { name: string; module: Module }[] = [];
    const source = new UndropMigrationSource({
      folder,
      completed: async () => completed,
      check: (migrations) => {
        all = migrations;
      },
    });
    const offered = new Set(
      (await quietly(() => source.getMigrations())).map(({ name }) => withoutExtension(name)),
    );
    return all.map(({ name, module }) => describe(name, module, offered.has(name)));
  };
  return { ledger, load };
}

/** The migrations of a knexfile, as Knex resolves them. Its source is read, but that of `undropConfig` without its checks. */
export function migrationsOf({ config, folder }: Knexfile): Migrations {
  const { tableName = 'knex_migrations', schemaName, ...given } = config.migrations ?? {};
  const ledger = { tableName, schemaName: schemaName ?? undefined };
  // With one of these options, Knex replaces the source by its own.
  const hasFolders = given.directory || given.loadExtensions || given.sortDirsSeparately !== undefined;
  const source = hasFolders ? undefined : given.migrationSource;
  const ours: unknown = Object(source).undropFolder;
  if (typeof ours === 'string') return migrationsIn(ours, ledger);
  return {
    ledger,
    load: () => within(folder, () => (source ? loadSource(source, given) : loadFolders(folder, given))),
  };
}

async function loadSource(
  source: Knex.MigrationSource<unknown>,
  { loadExtensions = [] }: Knex.MigratorConfig,
): Promise<Loaded[]> {
  const loaded: Loaded[] = [];
  for (const migration of await source.getMigrations(loadExtensions)) {
    const module = await source.getMigration(migration);
    loaded.push(describe(source.getMigrationName(migration), module as Module));
  }
  return loaded;
}

// The defaults of Knex. https://knexjs.org/guide/migrations.html#migration-api
const defaults = ['.co', '.coffee', '.eg', '.iced', '.js', '.cjs', '.litcoffee', '.ls', '.ts'];

async function loadFolders(
  base: string,
  { directory = './migrations', loadExtensions = defaults, sortDirsSeparately = false }: Knex.MigratorConfig,
): Promise<Loaded[]> {
  const found: { file: string; path: string }[] = [];
  for (const each of [directory].flat()) {
    const folder = resolve(base, each);
    const files = await readFolder(folder);
    found.push(...files.sort().map((file) => ({ file, path: join(folder, file) })));
  }
  const wanted = found.filter(({ file }) => loadExtensions.includes(extname(file)));
  if (!sortDirsSeparately) wanted.sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0));
  const loaded: Loaded[] = [];
  for (const { file, path } of wanted) loaded.push(describe(file, await importModule(path)));
  return loaded;
}

function describe(name: string, module: Module, offered = true): Loaded {
  // Node does not detect all named exports of a CommonJS file; then they are in the default export.
  const { up, ready }: Module = module.up === undefined ? Object(Object(module).default) : module;
  return {
    name: withoutExtension(name),
    offered,
    waitsFor: ready?.waitsFor ?? null,
    options: dropOptionsOf(up),
  };
}
