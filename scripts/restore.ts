import type { Command } from 'commander';
import { printable } from '../src/printable.ts';
import { restoreDdl } from '../src/restore-ddl.ts';
import { type Settled, settleEntries } from '../src/settle-entries.ts';
import { run, writing } from './command.ts';

interface Options {
  fromDdl?: string;
  markRestored?: true;
}

export default function define(command: Command): void {
  command
    .option('--from-ddl <file>', 'replay a file that undrop ddl wrote: structure, no rows')
    .option('--mark-restored', 'record drops whose tables are back, by whatever means, as restored')
    .action(({ fromDdl, markRestored }: Options) => {
      if ((fromDdl === undefined) === (markRestored === undefined)) {
        command.error('error: give either --from-ddl or --mark-restored');
      }
      if (fromDdl === undefined) {
        return run(
          command,
          () => writing(async (session) => ({ entries: await settleEntries(session) })),
          ({ entries }) => describe(entries) || 'There is no open drop whose tables are all there.\n',
        );
      }
      return run(
        command,
        () => writing((session) => restoreDdl(session, fromDdl)),
        ({ tables, entries }) =>
          tables.map((table) => `restored  ${printable(table)}\n`).join('') + describe(entries),
      );
    });
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
