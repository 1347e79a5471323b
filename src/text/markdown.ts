import { printable } from './printable.ts';

/** Formats a text as Markdown code, so that it cannot contain a link, a mention, a tag or the end of a cell. */
export function code(text: string): string {
  const inert = printable(text).replaceAll('`', '\\u0060').replaceAll('|', '\\u007c').trim();
  return inert === '' ? '' : `\`${inert}\``;
}

/** @param rules the delimiter row: `--:` aligns a column to the right */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  rules: readonly string[] = head.map(() => '---'),
): string[] {
  return [head, rules, ...rows].map((cells) => `| ${cells.join(' | ')} |`);
}

export function folded(title: string, lines: readonly string[]): string[] {
  return ['<details>', `<summary>${title}</summary>`, '', ...lines, '', '</details>', ''];
}

/** Returns a code block whose fence is longer than any in its lines. */
export function fenced(language: string, parts: readonly string[]): string[] {
  const lines = parts.flatMap((part) => part.split('\n').map(printable));
  let fence = '```';
  while (lines.some((line) => line.includes(fence))) fence += '`';
  return [`${fence}${language}`, ...lines, fence];
}
