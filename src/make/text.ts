import type { DropOptions } from '../options/options.ts';
import { printable } from '../text/printable.ts';
import type { Place } from './place.ts';

/** A migration to be written. */
export interface Draft {
  readonly options: DropOptions & {
    readonly name: string;
    readonly tables: Readonly<Record<string, string>>;
  };
  /** One line of explanation for each option that needs it. */
  readonly notes: Readonly<Partial<Record<keyof DropOptions, string>>>;
}

/** Returns the source text of a migration. */
export function migrationText(
  { options, notes }: Draft,
  { syntax, source }: Pick<Place, 'syntax' | 'source'>,
): string {
  const [head, begin] =
    syntax === 'module'
      ? [`import { reversibleDrop } from ${literal(source)};`, 'export const { up, down, ready } =']
      : [`const { reversibleDrop } = require(${literal(source)});`, 'module.exports ='];
  const written = Object.entries(options).flatMap(([key, value]) => [
    ...comment(notes[key as keyof DropOptions]),
    ...(key === 'tables' ? tableLines(options.tables) : [`  ${key}: ${literal(String(value))},`]),
  ]);
  return [head, '', `${begin} reversibleDrop({`, ...written, '});', ''].join('\n');
}

function tableLines(tables: Readonly<Record<string, string>>): string[] {
  const lines = Object.entries(tables).map(([name, reason]) => `    ${key(name)}: ${literal(reason)},`);
  return ['  tables: {', ...lines, '  },'];
}

function comment(text: string | undefined): string[] {
  // Names can contain characters that end a line, and with it a comment.
  return text === undefined ? [] : [`  // ${printable(text)}`];
}

function key(name: string): string {
  // A plain __proto__ would set the prototype of the object.
  if (name === '__proto__') return "['__proto__']";
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : literal(name);
}

function literal(text: string): string {
  // What JSON leaves of control and bidirectional characters, JavaScript reads in the same escapes.
  const inner = printable(JSON.stringify(text)).slice(1, -1);
  return `'${inner.replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}
