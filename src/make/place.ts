import { extname, join, relative, resolve } from 'node:path';
import { UndropError } from '../errors.ts';
import type { NamedLedger } from '../knex/find-ledgers.ts';
import type { Knexfile } from '../migration/load-knexfile.ts';
import { projectFolder } from '../text/project-folder.ts';
import { readPackage } from '../text/read-package.ts';

/** A project for which migrations are written. */
export interface Project {
  /** The project folder. */
  readonly root: string;
  readonly knexfile: Knexfile | undefined;
  /** The migrations table that the knexfile names. */
  readonly ledger: NamedLedger | undefined;
  /** The folder of the migrations, for a project without a knexfile; relative to the current one. */
  readonly directory?: string | undefined;
}

/** Where and in which language the migrations of a project are written. */
export interface Place {
  /** The folder of the migrations, absolute. */
  readonly folder: string;
  /** Without a dot. */
  readonly extension: string;
  /** Whether a migration imports this package, or requires it. */
  readonly syntax: 'module' | 'commonjs';
  /** What it imports. */
  readonly source: string;
}

const known = ['js', 'mjs', 'cjs', 'ts', 'mts', 'cts'];

/**
 * Finds the place as `knex migrate:make` does: the extension is the given one, or that of the knexfile's option, or of the
 * knexfile; of several folders, the last one is used.
 *
 * @throws UndropError `bad-options` for an unknown extension
 */
export function findPlace({ root, knexfile, directory: named }: Project, given?: string): Place {
  const { config = {}, path = 'knexfile.js', folder: base = root } = knexfile ?? {};
  const { directory, extension: configured, migrationSource } = config.migrations ?? {};
  const fromSource: unknown = Object(migrationSource).undropFolder;
  const folders = [directory ?? (typeof fromSource === 'string' ? fromSource : 'migrations')].flat();
  const folder =
    knexfile === undefined && named !== undefined
      ? resolve(named)
      : resolve(base, folders.at(-1) ?? 'migrations');
  const ext: unknown = Object(config).ext;
  const extension = String(given ?? configured ?? ext ?? extname(path).slice(1)).toLowerCase();
  if (!known.includes(extension)) throw unknownExtension(extension);
  const home = projectFolder(folder);
  // Without a package.json that can be read, Node.js takes .js files as CommonJS.
  const { type, name } = readPackage(home);
  return {
    folder,
    extension,
    syntax: extension === 'cjs' || (extension === 'js' && type !== 'module') ? 'commonjs' : 'module',
    source: name === own ? relative(folder, join(home, 'src/index.ts')) : own,
  };
}

const own = 'knex-undrop';

function unknownExtension(extension: string): UndropError {
  return new UndropError('bad-options', {
    subject: extension,
    message: `No migration can be written with the extension ${JSON.stringify(extension)}.`,
    reason: `The extensions are ${known.join(', ')}.`,
    next: 'Set -x, or the option extension of the migrations in the knexfile.',
  });
}
