import { availableParallelism } from 'node:os';
import type { ExpectedTable } from './dump-statements.ts';

/** Below so many rows in all, a second process costs more than it saves. */
const worthIt = 50_000;

/**
 * The lines of a table of contents in two shares that can be read at the same time: each line is in one of them, and
 * the rows are in both about as many. One share where there is nothing to gain.
 */
export function shareOut(
  contents: readonly string[],
  tables: readonly ExpectedTable[],
  processors = availableParallelism(),
): string[][] {
  const rows = new Map(tables.map(({ schema, name, rows = 0 }) => [`${schema} ${name}`, rows]));
  const filled = contents
    .flatMap((line) => {
      // With the owner behind, of whom only a blank in the name could be in the way, and then the shares are uneven.
      const [, named = ''] = /^\d+; \d+ \d+ TABLE DATA (.*) \S+$/.exec(line) ?? [];
      const count = rows.get(named);
      return count === undefined ? [] : [{ line, count }];
    })
    .sort((a, b) => b.count - a.count);
  const total = filled.reduce((sum, { count }) => sum + count, 0);
  if (processors < 2 || filled.length < 2 || total < worthIt) return [[...contents]];
  const second = new Set<string>();
  let difference = 0;
  for (const { line, count } of filled) {
    if (difference > 0) second.add(line);
    difference += difference > 0 ? -count : count;
  }
  return [contents.filter((line) => !second.has(line)), contents.filter((line) => second.has(line))];
}
