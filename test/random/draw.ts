import fc from 'fast-check';

/** Choices that fast-check has made before, taken one after the other. */
export interface Draw {
  /** A number below `count`. */
  below(count: number): number;
  /** True once in `times`. */
  once(times: number): boolean;
  /** One of the list; undefined where it is empty. */
  of<T>(list: readonly T[]): T | undefined;
  /** At least one of a list that is not empty, at most `most`, in the order of the list. */
  some<T>(list: readonly T[], most: number): T[];
  /** One of the texts. */
  word(...words: string[]): string;
}

/** One step of a schema: what to make, and how. */
export interface Step {
  readonly kind: string;
  readonly choices: readonly number[];
  /** A part of the name that it gives. */
  readonly name: string;
}

// Plain, quoted, with quotes, dots, newlines and comments in them, beyond ASCII, and words of SQL.
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

/** The steps of one schema, always the same for a seed. */
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
