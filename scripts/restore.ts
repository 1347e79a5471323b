import type { Command } from 'commander';
import type { Wanted } from '../src/archive/choose-entry.ts';
import { type Settled, settleEntries } from '../src/restore/mark-restored.ts';
import { planRestore, restoreArchive } from '../src/restore/restore.ts';
import { restoreDdl } from '../src/script/replay.ts';
import { printable } from '../src/text/printable.ts';
import { reading, run, toNumber, writing } from './command.ts';
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
    .option('--mark-restored', 'record drops whose tables are back, by whatever means, as restored')
    .option('--migration <name>', 'bring back from the archive what this migration dropped')
    .option('--entry <number>', 'the same of this entry of the archive', toNumber)
    .option('--table <name>', 'bring back this table alone, with its rows; the others stay dropped')
    .option(
      '--from-backup <file>',
      'from a backup instead: --table alone, or the whole --into a new database',
    )
    .option('--into <database>', 'with --from-backup: a new database on the same server')
    .option(
      '--replace <database>',
      'with --from-backup: in the place of the live one, which stays under another name',
    )
    .option(
      '--accept-differences <digest>',
      'accept exactly the differences that an error has printed with this digest',
      process.env.UNDROP_ACCEPT_DIFFERENCES,
    )
    .option('--dry-run', 'with these two: print the statements, change nothing')
    .action(({ fromBackup: file, into, replace, ...others }: Options) => {
      if (file !== undefined) return fromBackup(command, { ...others, file, into, replace });
      if (into !== undefined || replace !== undefined) {
        command.error('error: --into and --replace go with --from-backup');
      }
      const { fromDdl, markRestored, dryRun, acceptDifferences: accept, ...wanted } = others;
      const fromArchive = [wanted.migration, wanted.entry, wanted.table].some((one) => one !== undefined);
      if ([fromDdl !== undefined, markRestored === true, fromArchive].filter(Boolean).length !== 1) {
        command.error(
          'error: give --migration, --entry or --table, or --from-backup, or --from-ddl, or --mark-restored',
        );
      }
      if (dryRun && !fromArchive) command.error('error: --dry-run goes with --migration, --entry or --table');
      if (fromArchive)
        return dryRun ? planFromArchive(command, wanted) : fromTheArchive(command, wanted, accept);
      if (fromDdl === undefined) {
        return run(
          command,
          () => writing(async (session) => ({ entries: await settleEntries(session, accept) })),
          ({ entries }) => describe(entries) || 'There is no open drop whose tables are all there.\n',
        );
      }
      return run(
        command,
        () => writing((session) => restoreDdl(session, fromDdl, accept)),
        ({ tables, entries, uncompared }) =>
          tables.map((table) => `restored  ${printable(table)}\n`).join('') +
          describe(entries) +
          uncompared.map((table) => `${printable(table)} ${comparedWithNothing}\n`).join(''),
      );
    });
}

const comparedWithNothing =
  'was compared with nothing: the archive has no open drop of it that could be read.';

function fromTheArchive(command: Command, wanted: Wanted, accept: string | undefined): Promise<void> {
  return run(
    command,
    () => writing((session) => restoreArchive(session, wanted, accept)),
    ({ tables, rest }) =>
      [
        ...tables.map((table) => `restored  ${table}`),
        ...(rest?.tables ?? []).map((table) => `dropped   ${table}, in entry ${rest?.entry}`),
        ...(rest?.waiting ?? []).map(({ kind, identity }) => `waiting   ${kind} ${identity}`),
      ]
        .map((line) => `${printable(line)}\n`)
        .join(''),
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
        ? `${printable(migration)} (entry ${id}) is recorded as restored: its rollback has nothing left to do.\n`
        : `${printable(migration)} (entry ${id}) stays open, since this is not what it dropped:\n` +
          reason
            .split('\n')
            .map((line) => `  ${printable(line)}\n`)
            .join(''),
    )
    .join('');
}
