#!/usr/bin/env node
import type { Command } from 'commander';
import { UndropError } from '../src/errors.ts';
import { ownPackage } from '../src/text/own-package.ts';
import { fail, makeCommand, withFormat } from './command.ts';

/** The default export of a command's file: adds its arguments, options and action. */
type Define = (command: Command) => void;

const commands: Readonly<Record<string, [summary: string, load: () => Promise<{ default: Define }>]>> = {
  audit: ['judge every table: what uses it, and whether it looks obsolete', () => import('./audit.ts')],
  make: ['write a migration that drops tables', () => import('./make.ts')],
  preflight: ['show what up would do, and the result of every gate', () => import('./preflight.ts')],
  backup: ['dump the database, prove the file, record it', () => import('./backup.ts')],
  verify: ['check that only the recorded drops have changed the database', () => import('./verify.ts')],
  report: ['write audit, preflight and verify as one page, with diagrams', () => import('./report.ts')],
  approve: ['record the ticked boxes of a proposal as approvals', () => import('./approve.ts')],
  restore: ['restore dropped tables', () => import('./restore.ts')],
  status: ['show migrations, archive, approvals and backups', () => import('./status.ts')],
  ddl: ['print the DDL that recreates tables', () => import('./ddl.ts')],
  archive: ['list, export and prune the entries of the archive', () => import('./archive.ts')],
  demo: ['drop and restore tables on an embedded database', () => import('./demo.ts')],
  roundtrip: ['drop and restore every table on copies of a database', () => import('./roundtrip.ts')],
  'count-tables': ['print the names of the tables, one a line', () => import('./count-tables.ts')],
};

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A closed pipe is no failure: programs such as head stop reading early.
  if (error.code !== 'EPIPE') fail(notWritten(error), current, false);
});

const given = process.argv.slice(2);
const chosen = given.find((word) => Object.hasOwn(commands, word));
const undrop = makeCommand(
  'undrop',
  'Drop PostgreSQL tables from a Knex migration, and restore them exactly.',
);
let current = undrop;

// Not a top-level await, because CommonJS has none.
main().catch((error: unknown) =>
  fail(error, current, / --json| --format[ =]json/.test(` ${given.join(' ')}`)),
);

async function main(): Promise<void> {
  undrop.version(ownPackage()?.version ?? 'of a bundle');
  for (const [name, [summary, load]] of Object.entries(commands)) {
    const command = withFormat(makeCommand(name, summary));
    undrop.addCommand(command);
    if (name !== chosen) continue;
    current = command;
    (await load()).default(command);
  }
  await undrop.parseAsync();
}

function notWritten(cause: Error): UndropError {
  return new UndropError('server-error', {
    subject: 'stdout',
    message: 'The output could not be written.',
    reason: cause.message,
    next: 'Free space where the output goes, or write it elsewhere. What the command did was not undone.',
    cause,
  });
}
