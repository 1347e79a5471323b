import { NameIndex, wordsOf } from '../../text/words.ts';
import { type Context, type Convention, conventions } from './conventions.ts';

/** A place in the code that implies the name of a table by a convention of its framework. */
export interface Model {
  /** The index in the list of tables. */
  readonly table: number;
  /** In bytes. */
  readonly offset: number;
}

interface Named {
  readonly table: number;
  readonly words: readonly string[];
}

/**
 * Returns a function that finds the tables which the classes and fields of a file imply.
 *
 * @param tables their names
 */
export function makeModelFinder(tables: readonly string[]): (file: string, bytes: Buffer) => Model[] {
  const named = tables.map((name, table): Named => ({ table, words: wordsOf(name) }));
  const index = new NameIndex(named, ({ words }) => words);
  const endingWith = remember((key: string) => index.endingWith(key.split(' ')));

  return (file, bytes) => {
    const own = conventions.filter(({ files }) => files.test(file));
    if (own.length === 0) return [];
    const text = bytes.toString('latin1');
    return own.flatMap((convention) => {
      const context = { file, text };
      return [...text.matchAll(convention.pattern)].flatMap((match) => {
        const found = match.slice(1).filter((part) => part !== undefined);
        const offset = match.index + match[0].lastIndexOf(found.at(-1) ?? '');
        const parts = convention.parts?.(found, { ...context, offset }) ?? [found];
        return [...new Set(parts.flatMap(variants))]
          .flatMap((key) => endingWith(key).filter((table) => fits(table, key, convention, context)))
          .map(({ table }) => ({ table, offset }));
      });
    });
  };
}

/** Names are compared by their words: `OrderItem`, tags may be `order_item_tags`, `orderitem_tags` or `orderitemtags`. */
function variants(parts: readonly string[]): string[] {
  const words = parts.map((part) => wordsOf(part.replace(/^.*::/, '')));
  const joined = words.map((of) => of.join(''));
  return [words.flat().join(' '), joined.join(' '), joined.join('')].filter((key) => key !== '');
}

/** Whether the words of the table before the matched ones are a prefix that the convention adds. */
function fits(
  { words }: Named,
  key: string,
  { prefix }: Convention,
  context: Omit<Context, 'offset'>,
): boolean {
  const before = words.slice(0, words.length - key.split(' ').length);
  return before.length === 0 || (prefix?.(before, context) ?? false);
}

function remember<Answer>(ask: (key: string) => Answer): (key: string) => Answer {
  const answers = new Map<string, Answer>();
  return (key) => {
    const answer = answers.get(key) ?? ask(key);
    answers.set(key, answer);
    return answer;
  };
}
