import { availableParallelism } from 'node:os';
import type { ExpectedTable } from './dump-statements.ts';

/** With fewer rows in total, a second process costs more time than it saves. */
const minimumRows = 50_000;

/**
 * Splits the lines of a table of contents into two shares with about the same number of rows, to be read concurrently.
 * Each line is in exactly one share. Returns a single share if a second process would not save time.
 */
export function shareOut(
  contents: readonly string[],
  tables: readonly ExpectedTable[],
  processors = availableParallelism(),
): string[][] {
  const rows = new Map(tables.map(({ schema, name, rows = 0 }) => [`${schema} ${name}`, rows]));
  const filled = contents
    .flatMap((line) => {
      // The owner follows the name. If the name of the owner has a space, no table matches, and the shares are uneven.
      const [, named = ''] = /^\d+; \d+ \d+ TABLE DATA (.*) \S+$/.exec(line) ?? [];
      const count = rows.get(named);
      return count === undefined ? [] : [{ line, count }];
    })
    .sort((a, b) => b.count - a.count);
  const total = filled.reduce((sum, { count }) => sum + count, 0);
  if (processors < 2 || filled.length < 2 || total < minimumRows) return [[...contents]];
  const second = new Set<string>();
  let difference = 0;
  for (const { line, count } of filled) {
    if (difference > 0) second.add(line);
    difference += difference > 0 ? -count : count;
  }
  return [contents.filter((line) => !second.has(line)), contents.filter((line) => second.has(line))];
}
