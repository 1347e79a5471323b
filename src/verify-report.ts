import { code } from './audit/layout.ts';
import { printable } from './printable.ts';
import type { Verification } from './verify-database.ts';

type Checked = Pick<Verification, 'checks'>;

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
