import { type Command, InvalidArgumentError } from 'commander';
import { parseRoots } from '../src/audit/code/search.ts';
import { printable } from '../src/printable.ts';
import { verifyDatabase } from '../src/verify-database.ts';
import { reading, run } from './command.ts';

interface Options {
  expect?: number;
  strict?: true;
  code?: string;
}

export default function define(command: Command): void {
  command
    .option('--expect <count>', 'how many tables there should be in the schema public', toCount)
    .option('--code <paths>', 'folders and files of code, separated by commas (default: CODE_ROOTS)')
    .option('--strict', 'fail on objects that are new since the record, and on any word of code, too')
    .action(({ expect, strict, code }: Options) =>
      run(
        command,
        () =>
          reading((session) =>
            verifyDatabase(session, {
              expect,
              strict,
              code: parseRoots(code ?? process.env.CODE_ROOTS ?? ''),
            }),
          ),
        ({ checks }) =>
          checks
            .map(({ name, state, found }) => `${state.padEnd(11)}  ${name.padEnd(27)}  ${printable(found)}\n`)
            .join(''),
      ),
    );
}

function toCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It takes a number.');
  return Number(text);
}
