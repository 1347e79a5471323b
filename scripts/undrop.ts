#!/usr/bin/env node
import type { Command } from 'commander';
import { fail, makeCommand, withFormat } from './command.ts';

/** What a command's file exports: adds the arguments, the options and the action. */
type Define = (command: Command) => void;

const commands: Readonly<Record<string, [summary: string, load: () => Promise<{ default: Define }>]>> = {
  audit: ['judge every table: who needs it, which are ghosts and why', () => import('./audit.ts')],
  preflight: ['show what up would do, and every gate', () => import('./preflight.ts')],
  backup: ['dump the database, prove the file, record it', () => import('./backup.ts')],
  verify: ['check that the database is as the drops have left it', () => import('./verify.ts')],
  report: ['write all of this as one page, with pictures', () => import('./report.ts')],
  restore: ['bring tables back', () => import('./restore.ts')],
  status: ['show ledger, archive, approvals and backups', () => import('./status.ts')],
  ddl: ['print the DDL that brings tables back', () => import('./ddl.ts')],
  archive: ['list, export and prune what the drops have kept', () => import('./archive.ts')],
  demo: ['tell the whole story on an embedded database', () => import('./demo.ts')],
  roundtrip: ['drop and restore every table on copies of a database', () => import('./roundtrip.ts')],
  'count-tables': ['print the tables, one name a line', () => import('./count-tables.ts')],
};

// A reader such as head, which takes some lines and goes, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const given = process.argv.slice(2);
const chosen = given.find((word) => Object.hasOwn(commands, word));
const undrop = makeCommand(
  'undrop',
  'Drop PostgreSQL tables from a Knex migration, and get them back exactly.',
);
let current = undrop;

try {
  for (const [name, [summary, load]] of Object.entries(commands)) {
    const command = withFormat(makeCommand(name, summary));
    undrop.addCommand(command);
    if (name !== chosen) continue;
    current = command;
    (await load()).default(command);
  }
  await undrop.parseAsync();
} catch (error) {
  fail(error, current, / --json| --format[ =]json/.test(` ${given.join(' ')}`));
}
