import { type Command, InvalidArgumentError } from 'commander';
import { printable } from '../src/printable.ts';
import { verifyDatabase } from '../src/verify-database.ts';
import { reading, run } from './command.ts';

export default function define(command: Command): void {
  command
    .option('--expect <count>', 'how many tables there should be in the schema public', toCount)
    .action(({ expect }: { expect?: number }) =>
      run(
        command,
        () => reading((session) => verifyDatabase(session, expect)),
        ({ checks }) =>
          checks
            .map(({ name, state, found }) => `${state.padEnd(11)}  ${name.padEnd(23)}  ${printable(found)}\n`)
            .join(''),
      ),
    );
}

function toCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It takes a number.');
  return Number(text);
}
