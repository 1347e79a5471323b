import type { Command } from 'commander';
import { archivedDdl, liveDdl } from '../src/script/ddl.ts';
import { formatDdl, writeDdl } from '../src/script/ddl-file.ts';
import { printable } from '../src/text/printable.ts';
import { reading, run, toNumber } from './command.ts';

interface Options {
  migration?: string;
  entry?: number;
  out?: string;
  force?: boolean;
}

export default function define(command: Command): void {
  command
    .argument('[tables...]', 'tables as they are now, such as posts or app.posts')
    .option('--migration <name>', 'instead: what the archive keeps of this migration')
    .option('--entry <number>', 'instead: what the archive keeps in this entry', toNumber)
    .option('--out <folder>', 'write a file into this folder instead of printing')
    .option('--force', 'overwrite the file')
    .action((tables: string[], { migration, entry, out, force = false }: Options) => {
      const isLive = migration === undefined && entry === undefined;
      if (isLive === (tables.length === 0)) {
        command.error('error: name either tables, or a --migration or --entry');
      }
      return run(
        command,
        async () => {
          const ddl = await reading((session) =>
            isLive ? liveDdl(session, tables) : archivedDdl(session, { migration, entry }),
          );
          return { ...ddl, file: out === undefined ? null : await writeDdl(ddl, out, force) };
        },
        (ddl) => (ddl.file === null ? formatDdl(ddl) : `${printable(ddl.file)}\n`),
      );
    });
}
