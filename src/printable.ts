import { quoteName } from './name.ts';

/** Text that may hold names, with control characters escaped: they could break the line, or steer the terminal. */
export function printable(text: string): string {
  return text.replace(control, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A name in the spelling of SQL, always on one line: `posts`, `"My Table"`, `U&"two\000Alines"`. */
export function identifier(name: string): string {
  if (/^[a-z_][a-z0-9_$]*$/.test(name)) return name;
  if (name.search(control) < 0) return quoteName(name);
  const codeOf = (character: string) =>
    `\\${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
  return `U&${quoteName(name.replaceAll('\\', '\\\\').replace(control, codeOf))}`;
}

const control = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
