import type { Command } from 'commander';
import { archivedDdl, liveDdl } from '../src/ddl.ts';
import { formatDdl, writeDdl } from '../src/ddl-file.ts';
import { printable } from '../src/printable.ts';
import { reading, run } from './command.ts';

interface Options {
  migration?: string;
  out?: string;
  force?: boolean;
}

export default function define(command: Command): void {
  command
    .argument('[tables...]', 'tables as they are now, such as posts or app.posts')
    .option('--migration <name>', 'instead: what the archive keeps of this migration')
    .option('--out <folder>', 'write a file into this folder instead of printing')
    .option('--force', 'overwrite the file')
    .action((tables: string[], { migration, out, force = false }: Options) => {
      if ((migration === undefined) === (tables.length === 0)) {
        command.error('error: name either tables or a --migration');
      }
      return run(
        command,
        async () => {
          const ddl = await reading((session) =>
            migration === undefined ? liveDdl(session, tables) : archivedDdl(session, migration),
          );
          return { ...ddl, file: out === undefined ? null : await writeDdl(ddl, out, force) };
        },
        (ddl) => (ddl.file === null ? formatDdl(ddl) : `${printable(ddl.file)}\n`),
      );
    });
}
