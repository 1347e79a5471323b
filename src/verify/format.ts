import { code } from '../audit/layout.ts';
import { printable } from '../text/printable.ts';

interface Checked {
  readonly checks: readonly Check[];
}

/** For a terminal, a check a line. */
export function formatVerification({ checks }: Checked): string {
  return checks
    .map(({ name, state, found }) => `${state.padEnd(11)}  ${name.padEnd(27)}  ${printable(found)}\n`)
    .join('');
}

/** The same as the comment on a pull request. */
export function formatVerificationMarkdown({ checks }: Checked): string {
  const rows = checks.map(({ name, state, found }) => `| ${name} | ${state} | ${code(found)} |`);
  return `${['| check | state | found |', '| --- | --- | --- |', ...rows].join('\n')}\n`;
}

/** One thing that `verify` looks at. */
export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'failed' | 'not checked';
  /** What was found, for people. */
  readonly found: string;
}

/** The first ten, and how many more there are. */
export function list(names: readonly string[]): string {
  const more = names.length - most;
  return [...names.slice(0, most), ...(more > 0 ? [`${more} more`] : [])].join(', ');
}

const most = 10;
