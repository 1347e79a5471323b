import { relative } from 'node:path';
import type { Command } from 'commander';
import { makeMigrations } from '../src/make/make.ts';
import type { KnexOptions } from '../src/migration/load-knexfile.ts';
import { formatPreflight } from '../src/preflight/format.ts';
import { codeRoots, run } from './command.ts';
import { lines } from './lines.ts';
import { withKnexOptions, withProject } from './project.ts';

interface Options extends KnexOptions {
  fromAudit?: boolean;
  reason?: string;
  x?: string;
  code?: string;
  decisions?: string;
}

export default function define(command: Command): void {
  withKnexOptions(command)
    .argument('<name>', 'the name of the migration, to which a timestamp is added')
    .argument('[tables...]', 'the tables to drop, such as posts or app.posts')
    .option(
      '--from-audit',
      'instead of tables: the candidates of the audit, and in a second migration its questions, each to be approved',
    )
    .option('--reason <text>', 'why the tables can be dropped (default: what the audit finds)')
    .option('-x <extension>', 'js, mjs, cjs, ts, mts or cts (default: as the knexfile)')
    .option('--code <paths>', 'folders and files of code to search, comma-separated (default: CODE_ROOTS)')
    .option(
      '--decisions <file>',
      'file of decisions on tables (default: decisions.json in the project folder)',
    )
    .addHelpText('after', '\nThe exit code is 0 if the files are written, even if up would refuse.')
    .action((name: string, tables: string[], { fromAudit = false, x, code, ...options }: Options) => {
      if (fromAudit === tables.length > 0) command.error('error: name either tables, or --from-audit');
      return run(
        command,
        () =>
          withProject(options, (knex, migrations, root, knexfile) =>
            makeMigrations(
              knex,
              { root, knexfile, ledger: migrations.ledger, directory: options.migrationsDirectory },
              { name, tables, extension: x, code: codeRoots(code), ...options },
            ),
          ),
        ({ files, migrations }) =>
          files.length === 0
            ? 'The audit finds no candidates and no questions; no migration is written.\n'
            : `${lines(files.map(({ file }) => [relative('', file)]))}\n${formatPreflight({ migrations }, false)}`,
      );
    });
}
