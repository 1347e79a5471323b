/**
 * Returns a statement in which every array constructor with a cast to another array type has a cast to its own type first:
 * `(ARRAY['a'::character varying])::text[]` becomes `(ARRAY['a'::character varying]::character varying[])::text[]`.
 *
 * PostgreSQL prints `s in ('a', 'b')` with `s varchar` as the first form. When it parses this form, it casts each element
 * instead of the array, and then prints another expression than before. A cast to its own type prevents this, and is not
 * printed itself. If no element shows its type, the constructor stays as it is.
 * https://www.postgresql.org/docs/current/sql-expressions.html#SQL-SYNTAX-ARRAY-CONSTRUCTORS
 */
export function withArrayTypes(sql: string): string {
  if (!sql.includes('ARRAY[')) return sql;
  const tokens = [...sql.matchAll(token)].map(({ 0: text, index }) => ({ text, end: index + text.length }));
  const casts = tokens.flatMap(({ text }, at) => {
    if (text !== 'ARRAY' || tokens[at + 1]?.text !== '[') return [];
    const close = closingOf(tokens, at + 1);
    const isEnclosed = tokens[at - 1]?.text === '(' && tokens[close + 1]?.text === ')';
    const target = tokens.slice(close + (isEnclosed ? 2 : 1));
    const type = typeOf(tokens.slice(at, close + 1));
    if (type === undefined || target[0]?.text !== '::' || typeAt(target.slice(1)) === type) return [];
    return [{ place: tokens[close]?.end ?? 0, cast: `::${type}[]` }];
  });
  return casts
    .sort((a, b) => b.place - a.place)
    .reduce((text, { place, cast }) => text.slice(0, place) + cast + text.slice(place), sql);
}

interface Token {
  readonly text: string;
  /** Where it ends in the statement. */
  readonly end: number;
}

// Literals, quoted names and dollar-quoted bodies are single tokens, so that nothing in them is taken for SQL.
// https://www.postgresql.org/docs/current/sql-syntax-lexical.html
const token = new RegExp(
  [
    String.raw`[eE]'(?:[^'\\]|\\.|'')*'`,
    `'(?:[^']|'')*'`,
    `"(?:[^"]|"")*"`,
    String.raw`\$([A-Za-z_]\w*)?\$.*?\$\1\$`,
    String.raw`\d+(?:\.\d+)?`,
    String.raw`[\p{L}_][\p{L}\p{N}_$]*`,
    '::',
    String.raw`\S`,
  ].join('|'),
  'gsu',
);

/** Returns the index of the bracket that closes the one at `open`; the number of tokens if none does. */
function closingOf(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let at = open; at < tokens.length; at++) {
    depth += change(tokens[at]?.text);
    if (depth === 0) return at;
  }
  return tokens.length;
}

function change(text: string | undefined): number {
  if (text === '(' || text === '[') return 1;
  return text === ')' || text === ']' ? -1 : 0;
}

/** Returns the element type of an array constructor, as one of its elements shows it; undefined if none does. */
function typeOf(array: readonly Token[]): string | undefined {
  const elements: Token[][] = [[]];
  let depth = 0;
  for (const one of array.slice(2, -1)) {
    if (depth === 0 && one.text === ',') elements.push([]);
    else elements.at(-1)?.push(one);
    depth += change(one.text);
  }
  for (const element of elements) {
    const type = elementType(element);
    if (type !== undefined) return type;
  }
  return undefined;
}

function elementType(element: readonly Token[]): string | undefined {
  let depth = 0;
  let cast = -1;
  for (const [at, { text }] of element.entries()) {
    depth += change(text);
    if (depth === 0 && text === '::') cast = at;
  }
  if (cast >= 0) return typeAt(element.slice(cast + 1));
  // A nested constructor has the same element type.
  if (element[0]?.text === 'ARRAY' && element[1]?.text === '[') return typeOf(element);
  if (element.length !== 1) return undefined;
  return literals.find(([pattern]) => pattern.test(element[0]?.text ?? ''))?.[1];
}

// Constants that PostgreSQL prints without a type.
const literals: readonly (readonly [RegExp, string])[] = [
  [/^\d+$/, 'integer'],
  [/^\d+\.\d+$/, 'numeric'],
  [/^(true|false)$/, 'boolean'],
];

/** Returns the name of the type that the tokens begin with, without its modifier and without array brackets. */
function typeAt(tokens: readonly Token[]): string {
  const name: string[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const { text = '' } = tokens[at] ?? {};
    if (text === '(') at = closingOf(tokens, at);
    else if (text === '.' || /^["\p{L}_]/u.test(text)) name.push(text);
    else break;
  }
  return name.join(' ').replaceAll(' . ', '.');
}
