import type { Command } from 'commander';
import type { RestoredTable } from '../src/backup/restore/bring-table.ts';
import {
  type RestoredDatabase,
  replaceDatabase,
  restoreDatabase,
} from '../src/backup/restore/restore-database.ts';
import { planTable, restoreTable } from '../src/backup/restore/restore-table.ts';
import { countOf } from '../src/text/units.ts';
import { run, withTarget } from './command.ts';
import { lines } from './lines.ts';

interface Wanted {
  file: string;
  table?: string;
  into?: string | undefined;
  replace?: string | undefined;
  dryRun?: true;
  acceptDifferences?: string;
}

/** Runs `restore --from-backup`, for one table or the whole database. */
export function fromBackup(command: Command, wanted: Wanted): Promise<void> {
  const { file, table, into, replace, dryRun, acceptDifferences: accept } = wanted;
  const known = ['file', 'table', 'into', 'replace', 'dryRun', 'acceptDifferences', 'format', 'json'];
  const given = Object.entries(wanted).filter(([, value]) => value !== undefined);
  const targets = [table, into, replace].filter((target) => target !== undefined);
  if (targets.length !== 1 || given.some(([key]) => !known.includes(key))) {
    command.error(
      'error: --from-backup requires exactly one of --table, --into and --replace, and no other options',
    );
  }
  if (table !== undefined) {
    return dryRun ? planOne(command, file, table) : restoreOne(command, file, table, accept);
  }
  if (dryRun) {
    command.error(
      'error: --dry-run requires --table; for a whole backup, pg_restore --file=- prints the statements',
    );
  }
  const work = (signal: AbortSignal) =>
    withTarget(async (_, target) => ({
      database: target.settings.database,
      ...(replace === undefined
        ? await restoreDatabase(target, file, into ?? '', signal)
        : await replaceDatabase(target, file, replace, signal)),
    }));
  return run(command, work, printDatabase);
}

function restoreOne(
  command: Command,
  file: string,
  table: string,
  accept: string | undefined,
): Promise<void> {
  const work = (signal: AbortSignal) =>
    withTarget(async (knex, target) => ({
      database: target.settings.database,
      ...(await restoreTable(knex, target, file, table, { accept, signal })),
    }));
  return run(command, work, printTable);
}

function planOne(command: Command, file: string, table: string): Promise<void> {
  const work = (signal: AbortSignal) =>
    withTarget(async (knex, target) => ({
      database: target.settings.database,
      statements: await planTable(knex, target, file, table, signal),
    }));
  return run(command, work, ({ statements }) => statements.map((sql) => `${sql};\n`).join(''));
}

function printTable({ table, rows, migration, rest, left }: RestoredTable): string {
  return lines([
    ['restored', `${table}, with ${countOf(BigInt(rows), 'row')}`],
    ...(rest === null
      ? []
      : [['open', `entry ${rest}, with the other tables of ${migration}; its rollback restores them`]]),
    ...left.map(({ kind, identity }) => ['left out', `${kind} ${identity}`]),
  ]);
}

function printDatabase({ restored, before, tables, differences }: RestoredDatabase): string {
  return lines([
    ['restored', `${restored}: ${countOf(tables, 'table')}, with all rows`],
    ...(before === null ? [] : [['kept', `the previous database, as ${before}`]]),
    ...differences.map((difference) => ['differs', `from the backup: ${difference}`]),
  ]);
}
