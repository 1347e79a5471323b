import { code } from '../audit/layout.ts';
import { printable } from '../text/printable.ts';

interface Checked {
  readonly checks: readonly Check[];
}

/** Formats the checks for a terminal, a line each. */
export function formatVerification({ checks }: Checked): string {
  return checks
    .map(({ name, state, found }) => `${state.padEnd(11)}  ${name.padEnd(27)}  ${printable(found)}\n`)
    .join('');
}

/** Formats the checks as Markdown, for a comment on a pull request. */
export function formatVerificationMarkdown({ checks }: Checked): string {
  const rows = checks.map(({ name, state, found }) => `| ${name} | ${state} | ${code(found)} |`);
  return `${['| check | state | found |', '| --- | --- | --- |', ...rows].join('\n')}\n`;
}

/** The result of one check of `verify`. */
export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'failed' | 'not checked';
  /** The finding as text. */
  readonly found: string;
}

/** Returns the first ten names, and the number of the others. */
export function list(names: readonly string[]): string {
  const more = names.length - most;
  return [...names.slice(0, most), ...(more > 0 ? [`${more} more`] : [])].join(', ');
}

const most = 10;
