import { code, markdownTable } from '../text/markdown.ts';
import { align } from '../text/terminal.ts';

interface Checked {
  readonly checks: readonly Check[];
}

/** Formats the checks for a terminal, a line each. */
export function formatVerification({ checks }: Checked): string {
  const rows = checks.map(({ name, state, found }) => [state, name, found]);
  return `${align(rows).join('\n')}\n`;
}

/** Formats the checks as Markdown, for a comment on a pull request. */
export function formatVerificationMarkdown({ checks }: Checked): string {
  const rows = checks.map(({ name, state, found }) => [name, state, code(found)]);
  return `${markdownTable(['check', 'state', 'found'], rows).join('\n')}\n`;
}

/** The result of one check of `verify`. */
export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'failed' | 'not checked';
  /** The finding as text. */
  readonly found: string;
}
