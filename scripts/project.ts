import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Knex } from 'knex';
import { loadEnv } from '../src/knex/env-file.ts';
import { type Knexfile, type KnexOptions, loadKnexfile } from '../src/migration/load-knexfile.ts';
import { type Migrations, migrationsIn, migrationsOf } from '../src/migration/migrations.ts';
import { openKnexfile } from '../src/migration/open-knexfile.ts';
import { projectFolder } from '../src/text/project-folder.ts';
import { withTarget } from './command.ts';

/** The options of Knex that select the knexfile and the migrations. */
export function withKnexOptions(command: Command): Command {
  return command
    .option('--knexfile <path>', 'the knexfile (default: that of this folder, or of the nearest above it)')
    .option('--env <name>', 'the environment in the knexfile (default: NODE_ENV, or development)')
    .option('--migrations, --migrations-directory <folder>', 'the folder of the migrations')
    .option('--migrations-table-name <name>', 'the migrations table');
}

/**
 * Does the work on the database and the migrations that Knex would use: those of the knexfile. What it does not name, or if
 * there is none, comes from the environment and from the folder `migrations`.
 */
export async function withProject<T>(
  options: KnexOptions,
  work: (knex: Knex, migrations: Migrations, root: string, knexfile: Knexfile | undefined) => Promise<T>,
): Promise<T> {
  const root = projectFolder(options.knexfile === undefined ? undefined : dirname(resolve(options.knexfile)));
  loadEnv(root);
  // A build uses its own files.
  const program = join(import.meta.dirname, '..');
  const isProject = program === root || dirname(program) === root;
  const knexfile = await loadKnexfile(options, isProject ? program : process.cwd());
  const migrations =
    knexfile === undefined ? withoutKnexfile(options, isProject ? program : root) : migrationsOf(knexfile);
  if (!knexfile?.config.connection) return withTarget((knex) => work(knex, migrations, root, knexfile), root);
  const knex = await openKnexfile(knexfile);
  try {
    return await work(knex, migrations, root, knexfile);
  } finally {
    await knex.destroy();
  }
}

function withoutKnexfile(
  { migrationsDirectory, migrationsTableName }: KnexOptions,
  folder: string,
): Migrations {
  const ledger =
    migrationsTableName === undefined ? undefined : { tableName: migrationsTableName, schemaName: undefined };
  return migrationsIn(
    migrationsDirectory ? resolve(migrationsDirectory) : join(folder, 'migrations'),
    ledger,
  );
}
