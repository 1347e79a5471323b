import stringWidth from 'string-width';
import { printable } from './printable.ts';

/** The maximum line length of output, in terminal columns. */
const widest = 100;
/** The minimum width of the last cell of a row, however wide the others are. */
const least = 30;

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Cuts a text to a number of terminal columns. A text that was cut ends with `…`. */
export function cut(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text;
  let kept = '';
  let filled = 0;
  for (const { segment } of graphemes.segment(text)) {
    filled += stringWidth(segment);
    if (filled > columns - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

export interface Column {
  readonly right?: boolean;
  /** The maximum width. A wider cell is printed on a line of its own. */
  readonly most?: number;
}

/**
 * Formats rows of cells as lines. Each column is as wide as its widest cell; two spaces separate columns, and empty columns
 * are omitted. The last cell of a row is wrapped, with its lines below each other.
 *
 * @param indent begins each line
 * @param columns the layout of the columns, except the last
 */
export function align(
  rows: readonly (readonly string[])[],
  indent = '',
  columns: readonly Column[] = [],
): string[] {
  const cells = rows.map((row) => row.map(printable));
  const widths: number[] = [];
  for (const row of cells)
    for (const [index, cell] of row.entries())
      widths[index] = Math.max(
        widths[index] ?? 0,
        Math.min(stringWidth(cell), columns[index]?.most ?? Infinity),
      );
  const before = [...widths.entries()].slice(0, -1).filter(([, columnWidth]) => columnWidth > 0);
  return cells.flatMap((row) => {
    const lines: string[] = [];
    let line = indent;
    for (const [index, columnWidth] of before) {
      let cell = row[index] ?? '';
      if (stringWidth(cell) > columnWidth) {
        lines.push(...wrap(line, cell));
        line = ' '.repeat(stringWidth(line));
        cell = '';
      }
      const fill = ' '.repeat(columnWidth - stringWidth(cell));
      line += `${columns[index]?.right ? fill + cell : cell + fill}  `;
    }
    return [...lines, ...wrap(line, row[widths.length - 1] ?? '')];
  });
}

/**
 * Breaks a text into lines of at most 100 columns, or the width of a narrower terminal. `first` begins the first line; the
 * others are indented. Lines are broken only at spaces, so that a long word, such as a path, can be copied.
 */
export function wrap(
  first: string,
  text: string,
  indent = stringWidth(first),
  width = Math.min(widest, process.stdout.columns ?? widest),
): string[] {
  const most = Math.max(width, indent + least);
  const lines: string[] = [];
  let line = first;
  let filled = stringWidth(first);
  let isBare = true;
  for (const word of printable(text).split(' ')) {
    const columns = stringWidth(word);
    if (!isBare && filled + 1 + columns > most) {
      lines.push(line.trimEnd());
      line = ' '.repeat(indent);
      filled = indent;
      isBare = true;
    }
    line += isBare ? word : ` ${word}`;
    filled += isBare ? columns : columns + 1;
    isBare = false;
  }
  lines.push(line.trimEnd());
  return lines;
}
