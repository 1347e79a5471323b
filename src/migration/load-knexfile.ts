import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Knex } from 'knex';
import { isUndropError, UndropError } from '../errors.ts';
import { importModule } from './import-module.ts';

/** Options of Knex's command line. https://knexjs.org/guide/migrations.html#migration-cli */
export interface KnexOptions {
  readonly knexfile?: string | undefined;
  readonly env?: string | undefined;
  readonly migrationsDirectory?: string | undefined;
  readonly migrationsTableName?: string | undefined;
}

export interface Knexfile {
  readonly path: string;
  /** The folder in which Knex works, to which paths in the configuration are relative. */
  readonly folder: string;
  readonly config: Knex.Config;
}

// In the order of Knex, which loads some of them with loaders that it does not bring.
const extensions = ['js', 'mjs', 'coffee', 'ts', 'eg', 'ls'];

/**
 * Loads the configuration that Knex's command line would use: of the file `knexfile`, which is searched in the folder and
 * those above it if it is not given; its environment `env`, NODE_ENV or `development`; and with the migrations of the
 * options.
 *
 * @returns undefined if there is no knexfile
 * @throws UndropError `bad-options`
 */
export async function loadKnexfile(options: KnexOptions, from: string): Promise<Knexfile | undefined> {
  const path = options.knexfile === undefined ? findKnexfile(from) : resolve(options.knexfile);
  if (path === undefined) {
    if (options.env === undefined) return undefined;
    throw bad('--env', `There is no knexfile that has an environment ${options.env}.`, {
      reason: `Neither ${resolve(from)} nor a folder above it contains a knexfile.`,
      next: 'Name it with --knexfile.',
    });
  }
  if (!existsSync(path))
    throw bad(path, `The knexfile ${path} does not exist.`, {
      reason: '--knexfile names it.',
      next: 'Correct --knexfile.',
    });
  const folder = options.knexfile === undefined ? process.cwd() : dirname(path);
  const all = await within(folder, () => evaluate(path));
  return { path, folder, config: withOptions(select(path, all, options.env), options) };
}

/** Does work in another working folder, as Knex does if `--knexfile` is given. */
export async function within<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const before = process.cwd();
  if (folder === before) return work();
  process.chdir(folder);
  try {
    return await work();
  } finally {
    process.chdir(before);
  }
}

function findKnexfile(from: string): string | undefined {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const found = extensions.map((one) => join(folder, `knexfile.${one}`)).find((path) => existsSync(path));
    if (found !== undefined || dirname(folder) === folder) return found;
  }
}

async function evaluate(path: string): Promise<unknown> {
  try {
    let found: unknown = await importModule(path);
    // A module that was compiled to CommonJS has a default export in its default export.
    for (let depth = 0; depth < 2; depth++) found = Object(found).default ?? found;
    return typeof found === 'function' ? await found() : found;
  } catch (cause) {
    if (isUndropError(cause)) throw cause;
    throw bad(path, `The knexfile ${path} cannot be loaded.`, {
      reason: cause instanceof Error ? cause.message : String(cause),
      next: 'Correct it, or name another one with --knexfile.',
      cause,
    });
  }
}

function select(path: string, all: unknown, env: string | undefined): Knex.Config {
  const configs: Record<string, Knex.Config> & Knex.Config = Object(all);
  const name = env || process.env.NODE_ENV || 'development';
  const config: Knex.Config = configs[name] ?? configs;
  if (config.client !== undefined || config.dialect !== undefined) return config;
  throw bad(path, `The knexfile ${path} has no configuration for the environment ${name}.`, {
    reason: `It has ${Object.keys(configs).join(', ') || 'none'}, and no client.`,
    next: 'Name the environment with --env.',
  });
}

function withOptions(
  config: Knex.Config,
  { migrationsDirectory: directory, migrationsTableName: tableName }: KnexOptions,
): Knex.Config {
  const given = { ...(directory && { directory }), ...(tableName && { tableName }) };
  return { ...config, migrations: { ...config.migrations, ...given } };
}

function bad(
  subject: string,
  message: string,
  facts: { reason: string; next: string; cause?: unknown },
): UndropError {
  return new UndropError('bad-options', { subject, message, ...facts });
}
