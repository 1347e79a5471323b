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
    .argument('[tables...]', 'existing tables, such as posts or app.posts')
    .option('--migration <name>', 'instead of tables: the archived DDL of this migration')
    .option('--entry <number>', 'instead of tables: the archived DDL of this entry', toNumber)
    .option('--out <folder>', 'write a file into this folder instead of printing')
    .option('--force', 'with --out: overwrite an existing file')
    .action((tables: string[], { migration, entry, out, force = false }: Options) => {
      const isLive = migration === undefined && entry === undefined;
      if (isLive === (tables.length === 0)) {
        command.error('error: name either tables, or --migration or --entry');
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
