import type { Command } from 'commander';
import type { Wanted } from '../src/archive/choose-entry.ts';
import { type Settled, settleEntries } from '../src/restore/mark-restored.ts';
import { planRestore, restoreArchive } from '../src/restore/restore.ts';
import { restoreDdl } from '../src/script/replay.ts';
import { printable } from '../src/text/printable.ts';
import { reading, run, toNumber, writing } from './command.ts';
import { lines } from './lines.ts';
import { fromBackup } from './restore-backup.ts';

interface Options {
  fromBackup?: string;
  into?: string;
  replace?: string;
  fromDdl?: string;
  markRestored?: true;
  migration?: string;
  entry?: number;
  table?: string;
  dryRun?: true;
  acceptDifferences?: string;
}

export default function define(command: Command): void {
  command
    .option('--from-ddl <file>', 'replay a file that undrop ddl or archive --export wrote')
    .option('--mark-restored', 'mark open entries as restored whose tables exist, by whatever means')
    .option('--migration <name>', 'restore what this migration dropped')
    .option('--entry <number>', 'restore this entry of the archive', toNumber)
    .option('--table <name>', 'restore only this table, with its rows; the others stay dropped')
    .option(
      '--from-backup <file>',
      'restore from a backup: one table with --table, or everything with --into or --replace',
    )
    .option('--into <database>', 'with --from-backup: a new database on the same server')
    .option(
      '--replace <database>',
      'with --from-backup: replace this database, which is kept under another name',
    )
    .option(
      '--accept-differences <digest>',
      'accept exactly the differences that an error printed with this digest',
      process.env.UNDROP_ACCEPT_DIFFERENCES,
    )
    .option('--dry-run', 'with --migration, --entry or --table: print the statements, change nothing')
    .action(({ fromBackup: file, into, replace, ...others }: Options) => {
      if (file !== undefined) return fromBackup(command, { ...others, file, into, replace });
      if (into !== undefined || replace !== undefined) {
        command.error('error: --into and --replace require --from-backup');
      }
      const { fromDdl, markRestored, dryRun, acceptDifferences: accept, ...wanted } = others;
      const fromArchive = [wanted.migration, wanted.entry, wanted.table].some((one) => one !== undefined);
      if ([fromDdl !== undefined, markRestored === true, fromArchive].filter(Boolean).length !== 1) {
        command.error(
          'error: one of --migration, --entry, --table, --from-backup, --from-ddl and --mark-restored is required',
        );
      }
      if (dryRun && !fromArchive) command.error('error: --dry-run requires --migration, --entry or --table');
      if (fromArchive)
        return dryRun ? planFromArchive(command, wanted) : fromTheArchive(command, wanted, accept);
      if (fromDdl === undefined) {
        return run(
          command,
          () => writing(async (session) => ({ entries: await settleEntries(session, accept) })),
          ({ entries }) => describe(entries) || 'The archive has no open entry whose tables all exist.\n',
        );
      }
      return run(
        command,
        () => writing((session) => restoreDdl(session, fromDdl, accept)),
        ({ tables, entries, uncompared }) =>
          lines(tables.map((table) => ['restored', table])) +
          describe(entries) +
          uncompared.map((table) => `${printable(table)} ${notCompared}\n`).join(''),
      );
    });
}

const notCompared = 'was not compared: the archive has no open entry for it that could be read.';

function fromTheArchive(command: Command, wanted: Wanted, accept: string | undefined): Promise<void> {
  return run(
    command,
    () => writing((session) => restoreArchive(session, wanted, accept)),
    ({ tables, rest }) =>
      lines([
        ...tables.map((table) => ['restored', table]),
        ...(rest?.tables ?? []).map((table) => ['dropped', `${table}, in entry ${rest?.entry}`]),
        ...(rest?.waiting ?? []).map(({ kind, identity }) => ['waiting', `${kind} ${identity}`]),
      ]),
  );
}

function planFromArchive(command: Command, wanted: Wanted): Promise<void> {
  return run(
    command,
    () => reading((session) => planRestore(session, wanted)),
    ({ statements }) => statements.map((sql) => `${sql};\n`).join(''),
  );
}

function describe(entries: readonly Settled[]): string {
  return entries
    .map(({ migration, id, reason }) =>
      reason === null
        ? `${printable(migration)} (entry ${id}) is marked as restored.\n`
        : `${printable(migration)} (entry ${id}) stays open, since its tables differ from those that were dropped:\n` +
          reason
            .split('\n')
            .map((line) => `  ${printable(line)}\n`)
            .join(''),
    )
    .join('');
}
