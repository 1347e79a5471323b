import { printable } from '../text/printable.ts';

/** The maximum line length, in terminal columns. */
const width = 100;

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/** Returns the width of a text in terminal columns. */
export function columnsOf(text: string): number {
  if (isPlain(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += wide.test(character) ? 2 : /\p{M}|\p{Cf}/u.test(character) ? 0 : 1;
  return columns;
}

function isPlain(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}

/** Pads a text with spaces to a number of terminal columns. */
export function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - columnsOf(text)));
}

/** Breaks a text into lines of at most `width` columns, at spaces if possible. `first` begins the first line. */
export function wrap(first: string, text: string, indent = columnsOf(first)): string[] {
  if (isPlain(first + text) && first.length + text.length <= width) return [(first + text).trimEnd()];
  const lines: string[] = [];
  let line = first;
  let filled = columnsOf(first);
  let bare = true;
  const open = () => {
    lines.push(line.trimEnd());
    line = ' '.repeat(indent);
    filled = indent;
    bare = true;
  };
  for (const word of printable(text).split(' ')) {
    const columns = columnsOf(word);
    if (!bare && filled + 1 + columns > width) open();
    if (!bare) {
      line += ' ';
      filled += 1;
    }
    for (const character of word) {
      const more = columnsOf(character);
      if (filled + more > width) open();
      line += character;
      filled += more;
      bare = false;
    }
    bare = false;
  }
  lines.push(line.trimEnd());
  return lines;
}

const units = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Formats a size: `8 kB`. */
export function describeBytes(bytes: number): string {
  let unit = 0;
  let amount = bytes;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${Math.round(amount)} ${units[unit]}`;
}

/** Formats a text as Markdown code, so that it cannot contain a link, a mention, a tag or the end of a cell. */
export function code(text: string): string {
  const inert = printable(text).replaceAll('`', '\\u0060').replaceAll('|', '\\u007c').trim();
  return inert === '' ? '' : `\`${inert}\``;
}
