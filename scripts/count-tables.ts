import type { Command } from 'commander';
import { identifier } from '../src/options/table-name.ts';
import { countTables } from '../src/status/count-tables.ts';
import { reading, run } from './command.ts';

export default function define(command: Command): void {
  command
    .option('--schema <name>', 'the schema of the tables', 'public')
    .action(({ schema }: { schema: string }) =>
      run(
        command,
        () => reading((session) => countTables(session, schema)),
        ({ tables }) => tables.map((name) => `${identifier(name)}\n`).join(''),
      ),
    );
}
