import { existsSync, readdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Knex } from 'knex';
import { UndropError } from '../errors.ts';
import { loadEnv } from '../knex/env-file.ts';
import type { Ledger } from '../knex/migrations-table.ts';
import { namesServer } from '../knex/names-server.ts';
import { preparation } from '../knex/preparation.ts';
import type { Target } from '../knex/target.ts';
import { say } from '../text/log.ts';
import { isStorable, shown } from '../text/printable.ts';
import { UndropMigrationSource } from './migration-source.ts';

/** The options of `undropConfig`. All but `root` have defaults. */
export interface UndropConfigOptions {
  /** The folder of the knexfile: `import.meta.dirname`. */
  root: string;
  /** The folder of the migrations, relative to `root`. Default `migrations`. */
  migrations?: string;
  /** The folder of the seeds, relative to `root`. Default `seeds`. */
  seeds?: string;
  /**
   * A URL. Default: the settings in the environment and `.env`. Without any, the embedded server is used for seeds, with
   * `UNDROP_EMBEDDED=1`, and where the project folder has its database already. A `Target` is a connection that the
   * commands of this package have resolved already.
   */
  connection?: string | Target;
  /** The schema of Knex's migrations table. Default `undrop`, which is created where it does not exist. */
  schemaName?: string;
  /** The migrations table. Default `knex_migrations`. */
  tableName?: string;
}

const texts = ['root', 'migrations', 'seeds', 'schemaName', 'tableName'] as const;
const keys: readonly string[] = [...texts, 'connection'];

/**
 * A Knex configuration: connection, pool, migrations, seeds. Errors that concern the database are thrown when Knex
 * first connects, so that `migrate:make` works without one: `no-connection`, `unsupported-server`, and `bad-options`
 * where a second migrations table would be created.
 *
 * @param options folders, connection and migrations table
 * @throws UndropError `bad-options` for unknown keys, a missing root and an unreadable `.env`
 */
export function undropConfig(options: UndropConfigOptions): Knex.Config {
  checkKeys(options);
  loadEnv(options.root);
  const { schemaName = 'undrop', tableName = 'knex_migrations' } = options;
  const given = options.schemaName !== undefined || options.tableName !== undefined;

  let target: Promise<Target> | undefined;
  const findOnce = (): Promise<Target> => {
    target ??= resolveTarget(options).catch((error) => {
      target = undefined;
      throw error;
    });
    return target;
  };

  const ledger = (): Ledger => {
    // Knex's command line changes this configuration according to its own options.
    if (config.connection !== connection) throw overridden();
    return { schemaName, tableName: config.migrations?.tableName ?? tableName, given };
  };
  const { completed, visit, pids, connection, pool } = preparation(findOnce, ledger, usesEmbedded(options));

  const seeds = resolve(options.root, options.seeds ?? 'seeds');
  const config: Knex.Config = {
    client: 'pg',
    connection,
    pool,
    migrations: {
      // With directory or loadExtensions set, Knex would replace the source with its own.
      migrationSource: new UndropMigrationSource({
        folder: resolve(options.root, options.migrations ?? 'migrations'),
        completed,
        // A misspelt approval is an error when migrations are listed, instead of a table that is not dropped.
        get check() {
          return findCheck();
        },
        beforeUp: async (module) => {
          await visit(async (client) => {
            const { waitForLedger } = await import('../knex/ledger-lock.ts');
            await waitForLedger(client, ledger(), pids());
            const { asksForBackup } = await import('./reversible-drop.ts');
            if (!asksForBackup(module)) return;
            const { readNewestBackup } = await import('../backup/backup-gate.ts');
            await readNewestBackup(client);
          });
        },
      }),
      schemaName,
      tableName,
    },
    seeds: { directory: seeds, loadExtensions: seedExtensions(seeds) },
    log: { warn },
  };
  return config;
}

/** The check of all approvals; undefined if there are none. */
async function findCheck() {
  const { checkApprovals, readApprovals } = await import('../options/approvals.ts');
  if (readApprovals().size === 0) return undefined;
  const { tablesToApprove } = await import('./reversible-drop.ts');
  return (migrations: readonly { module: object }[]) => checkApprovals(tablesToApprove(migrations));
}

async function resolveTarget({ connection, root }: UndropConfigOptions): Promise<Target> {
  const { findTarget } = await import('../knex/find-target.ts');
  const { announce } = await import('../knex/announce.ts');
  const target =
    typeof connection === 'object'
      ? connection
      : await findTarget(connection ? { ...process.env, DATABASE_URL: connection } : process.env, {
          from: root,
          // Knex does not tell a configuration which command it runs.
          seeds: process.argv.includes('seed:run'),
        });
  announce(target);
  return target;
}

function usesEmbedded({ connection }: UndropConfigOptions): boolean {
  return typeof connection === 'object'
    ? connection.embedded !== undefined
    : !connection && !namesServer(process.env);
}

/** The extensions of seeds. A compiled build has `.d.ts` files beside its `.js`, which Knex would run as seeds. */
function seedExtensions(folder: string): string[] {
  const files = existsSync(folder) && statSync(folder).isDirectory() ? readdirSync(folder) : [];
  const sources = files.some((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'));
  return sources ? ['.ts'] : ['.js', '.mjs', '.cjs'];
}

/** Writes Knex's warnings to stderr instead of stdout, except those that repeat the error it throws. */
function warn(message: unknown): void {
  if (!repeated.test(String(message))) say(String(message));
}

const repeated = /^(Acquire connection error|Connection Error|migration failed with error):/;

function checkKeys(options: UndropConfigOptions): void {
  const given: Partial<Record<string, unknown>> = Object(options);
  const unknown = Object.keys(given).filter((key) => !keys.includes(key));
  const problems = unknown.map((key) => `There is no option ${JSON.stringify(key)}.`);
  if (!given.root) problems.push('root is missing. It is the folder of the knexfile: import.meta.dirname.');
  for (const key of texts) {
    const value = given[key];
    if (value === undefined || (key === 'root' && !value)) continue;
    if (typeof value !== 'string' || value === '' || !isStorable(value))
      problems.push(`${key} is ${shown(value)}, not a non-empty string.`);
  }
  const { connection } = given;
  if (!['undefined', 'string'].includes(typeof connection) && !Object.hasOwn(Object(connection), 'settings'))
    problems.push('connection is not a URL.');
  if (problems.length === 0) return;
  throw new UndropError('bad-options', {
    subject: 'undropConfig',
    message: 'The options of undropConfig are not valid.',
    reason: problems.join('\n'),
    next: `Correct the options. They are ${keys.join(', ')}.`,
  });
}

function overridden(): UndropError {
  return new UndropError('bad-options', {
    subject: '--connection',
    message: '--connection cannot be used with this knexfile.',
    reason: 'The migrations table would be read from one database, and the migrations would run in another.',
    next: 'Set DATABASE_URL for this run instead.',
  });
}
