import { type Command, InvalidArgumentError, Option } from 'commander';
import { UndropError } from '../src/errors.ts';
import { announce } from '../src/knex/announce.ts';
import { targetOfOption } from '../src/knex/target-of-option.ts';
import { describeCounts, type Roundtrip, roundtrip } from '../src/roundtrip/roundtrip.ts';
import { run } from './command.ts';
import { lines } from './lines.ts';

interface Arguments {
  database: string;
  tables?: string;
  sample?: number;
  rows: 'copy' | 'move';
}

export default function define(command: Command): void {
  command
    .requiredOption('--database <url>', 'the database, without a password; it is copied and not changed')
    .option('--tables <pattern>', 'only the tables that match, such as user_* or sales.*')
    .option('--sample <count>', 'the maximum number of tables', toCount)
    .addOption(
      new Option('--rows <mode>', 'what happens to the rows').choices(['copy', 'move']).default('copy'),
    )
    .action(({ database, tables, sample, rows }: Arguments) =>
      run(
        command,
        async (signal) => {
          const target = await targetOfOption('--database', database, process.env);
          announce(target);
          const done = await roundtrip(target.settings, { pattern: tables, sample, rows }, signal);
          return { ...done, failure: failureOf(done) };
        },
        print,
      ),
    );
}

function print({ results, comparisons, reordered }: Roundtrip): string {
  const rows = results
    .filter(({ outcome }) => outcome !== 'exact')
    .flatMap(({ table, outcome, code, reason }) => {
      const [first, ...rest] = (reason ?? '').split('\n');
      return [[outcome, table, `${code}: ${first}`], ...rest.slice(0, 30).map((line) => ['', '', line])];
    });
  const note = `in ${reordered} of ${comparisons} comparisons pg_dump wrote the same statements in another order`;
  return [
    lines(rows),
    lines(reordered > 0 ? [['reordered', note]] : []),
    `${describeCounts(results)} of ${results.length}\n`,
  ].join('');
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
