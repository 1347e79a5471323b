import { type Command, InvalidArgumentError } from 'commander';
import { UndropError } from '../src/errors.ts';
import { readSettings } from '../src/knex/settings.ts';
import { describeCounts, type Roundtrip, roundtrip } from '../src/roundtrip/roundtrip.ts';
import { printable } from '../src/text/printable.ts';
import { run } from './command.ts';

interface Arguments {
  database: string;
  tables?: string;
  sample?: number;
}

export default function define(command: Command): void {
  command
    .requiredOption('--database <url>', 'the database; it is copied and not changed')
    .option('--tables <pattern>', 'only the tables that match, such as user_* or sales.*')
    .option('--sample <count>', 'the maximum number of tables', toCount)
    .action(({ database, tables, sample }: Arguments) =>
      run(
        command,
        async (signal) => {
          const settings = readSettings({ ...process.env, DATABASE_URL: database });
          const done = await roundtrip(settings, { pattern: tables, sample }, signal);
          return { ...done, failure: failureOf(done) };
        },
        print,
      ),
    );
}

function print({ results, comparisons, reordered }: Roundtrip): string {
  const lines = results
    .filter(({ outcome }) => outcome !== 'exact')
    .map(({ table, outcome, code, reason }) => {
      const [first, ...rest] = (reason ?? '').split('\n').map(printable);
      return [`${outcome.padEnd(9)}  ${printable(table)}  ${code}: ${first}`, ...rest.slice(0, 30)].join(
        '\n           ',
      );
    });
  if (reordered > 0)
    lines.push(
      `reordered  in ${reordered} of ${comparisons} comparisons pg_dump wrote the same statements in another order`,
    );
  lines.push(`${describeCounts(results)} of ${results.length}`);
  return `${lines.join('\n')}\n`;
}

function failureOf({ database, results }: Roundtrip): UndropError | undefined {
  const bad = results.filter(({ outcome }) => outcome === 'different' || outcome === 'failed');
  if (bad.length === 0) return undefined;
  return new UndropError('restore-differs', {
    subject: bad.map(({ table }) => table).join(', '),
    message: `${bad.length} of ${results.length} tables of ${database} were not restored exactly.`,
    reason: bad.map(({ table, outcome }) => `${table}: ${outcome}`).join('\n'),
    next: 'Report the output above as a bug. The database itself was not changed.',
  });
}

function toCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a number from 1.');
  return Number(text);
}
