import { type Command, InvalidArgumentError } from 'commander';
import { printable } from '../src/printable.ts';
import { verifyDatabase } from '../src/verify-database.ts';
import { reading, run } from './command.ts';

export default function define(command: Command): void {
  command
    .option('--expect <count>', 'how many tables there should be in the schema public', toCount)
    .option('--strict', 'fail on objects that are new since the record, too')
    .action(({ expect, strict }: { expect?: number; strict?: true }) =>
      run(
        command,
        () => reading((session) => verifyDatabase(session, expect, strict)),
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
