import fc from 'fast-check';

/** Choices drawn by fast-check, used one after the other. */
export interface Draw {
  /** Returns a number below `count`. */
  below(count: number): number;
  /** Returns true once in `times` calls on average. */
  once(times: number): boolean;
  /** Returns an element of the list; undefined if it is empty. */
  of<T>(list: readonly T[]): T | undefined;
  /** Returns 1 to `most` elements of a list that is not empty, in the order of the list. */
  some<T>(list: readonly T[], most: number): T[];
  /** Returns one of the texts. */
  word(...words: string[]): string;
}

/** One step of a schema: the kind of statement and its choices. */
export interface Step {
  readonly kind: string;
  readonly choices: readonly number[];
  /** A part of the name of the new object. */
  readonly name: string;
}

// Plain names, quoted names with quotes, dots, newlines and comments, names with non-ASCII characters, and SQL
// keywords.
const names = fc.oneof(
  { weight: 6, arbitrary: fc.constant('') },
  { weight: 2, arbitrary: fc.constantFrom('Upper', 'select', 'a b', '1', 'ö', '名', '😀', 'x'.repeat(55)) },
  { weight: 2, arbitrary: fc.constantFrom('"', "'", '.', '\n', '--', '/*', '$1', '\\', '%I', ':x', '?') },
  {
    weight: 1,
    arbitrary: fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
      .map((text) => text.replaceAll('\0', '')),
  },
);

/** Returns the steps of a schema, always the same for a seed. */
export function drawSteps(kinds: Readonly<Record<string, number>>, count: number, seed: number): Step[] {
  const weighted = Object.entries(kinds).map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind) }));
  const step = fc.record({
    kind: fc.oneof(...weighted),
    choices: fc.array(fc.nat(1_000_000), { minLength: 60, maxLength: 60 }),
    name: names,
  });
  const schema = fc.array(step, { minLength: count, maxLength: count });
  return fc.sample(schema, { numRuns: 1, seed })[0] ?? [];
}

export function draw(choices: readonly number[]): Draw {
  let at = 0;
  const next = (): number => choices[at++ % choices.length] ?? 0;
  const below = (count: number): number => next() % count;
  const some: Draw['some'] = (list, most) => {
    const wanted = 1 + below(most);
    const ranked = list.map((one, index) => ({ one, index, rank: next() }));
    const chosen = ranked.sort((a, b) => a.rank - b.rank).slice(0, wanted);
    return chosen.sort((a, b) => a.index - b.index).map(({ one }) => one);
  };
  return {
    below,
    once: (times) => below(times) === 0,
    of: (list) => list[below(Math.max(list.length, 1))],
    some,
    word: (...words) => words[below(words.length)] ?? '',
  };
}

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function literal(text: string): string {
  return text.includes('\\')
    ? `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
    : `'${text.replaceAll("'", "''")}'`;
}
