import { printable } from '../text/printable.ts';

/** The columns of a terminal that a report may take. */
const width = 100;

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/** How many columns of a terminal the text takes. */
export function columnsOf(text: string): number {
  if (isPlain(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += wide.test(character) ? 2 : /\p{M}|\p{Cf}/u.test(character) ? 0 : 1;
  return columns;
}

function isPlain(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}

/** Filled up with blanks. */
export function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - columnsOf(text)));
}

/** Lines of at most `width` columns, the first after `first`, the others indented; broken at blanks where there are any. */
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

/** `8 kB` */
export function describeBytes(bytes: number): string {
  let unit = 0;
  let amount = bytes;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${Math.round(amount)} ${units[unit]}`;
}

/** Text of others in Markdown: as code, so that nothing in it is a link, a mention, a tag or the end of a cell. */
export function code(text: string): string {
  const inert = printable(text).replaceAll('`', '\\u0060').replaceAll('|', '\\u007c').trim();
  return inert === '' ? '' : `\`${inert}\``;
}
