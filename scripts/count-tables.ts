import type { Command } from 'commander';
import { countTables } from '../src/count-tables.ts';
import { identifier } from '../src/printable.ts';
import { reading, run } from './command.ts';

export default function define(command: Command): void {
  command
    .option('--schema <name>', 'the schema to look in', 'public')
    .action(({ schema }: { schema: string }) =>
      run(
        command,
        async () => {
          const { tables, ...rest } = await reading((session) => countTables(session, schema));
          return { ...rest, tables };
        },
        ({ tables }) => tables.map(({ name, quoted }) => `${identifier(name, quoted)}\n`).join(''),
      ),
    );
}
