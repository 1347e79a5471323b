import { UndropError } from '../errors.ts';

/** The user's word that one table may go. With a fingerprint, it is void once the table has changed. */
export interface Approval {
  readonly table: string;
  readonly fingerprint: string | undefined;
}

// A part in double quotes may hold commas and at signs. A doubled quote ends one part and begins the next: were it both
// that and a part of one, a row of quotes could be read in too many ways to try them all.
const items = /((?:"[^"]*"|[^",])*)(?:,|$)/gsy;
const item = /^((?:"[^"]*"|[^"@])+)(?:@(.*))?$/s;

/**
 * `APPROVED_DROPS=interaction_lineage,organizations@3f2a9c1b0d4e`: approvals by table name as the migration
 * writes it. A fingerprint may be shortened to eight digits.
 *
 * @throws UndropError `bad-options`
 */
export function readApprovals(env: NodeJS.ProcessEnv = process.env): ReadonlyMap<string, Approval> {
  const approvals = new Map<string, Approval>();
  for (const text of split(env.APPROVED_DROPS ?? '')) {
    const [, table = '', fingerprint] = item.exec(text) ?? [];
    if (table === '' || (fingerprint !== undefined && !/^[0-9a-f]{8,12}$/.test(fingerprint))) {
      throw new UndropError('bad-options', {
        subject: 'APPROVED_DROPS',
        message: `APPROVED_DROPS holds ${JSON.stringify(text)}, which is not an approval.`,
        reason: 'An approval is a table, or table@fingerprint with 8 to 12 hexadecimal digits.',
        next: 'Correct APPROVED_DROPS, in the environment or in .env.',
      });
    }
    approvals.set(table, { table, fingerprint });
  }
  return approvals;
}

function split(list: string): string[] {
  const parts = [...list.matchAll(items)];
  const end = parts.reduce((sum, [whole]) => sum + whole.length, 0);
  // A quote that is never closed ends the list: what is left is one item, and no approval.
  const texts = [...parts.map(([, text = '']) => text), list.slice(end)];
  return texts.map((text) => text.trim()).filter((text) => text !== '');
}

/**
 * A misspelt approval must not look like a refusal to approve.
 *
 * @throws UndropError `bad-options` naming each approved table that no migration knows
 */
export function checkApprovals(known: readonly string[], env: NodeJS.ProcessEnv = process.env): void {
  const unknown = [...readApprovals(env).keys()].filter((table) => !known.includes(table));
  if (unknown.length === 0) return;
  throw new UndropError('bad-options', {
    subject: 'APPROVED_DROPS',
    message: `APPROVED_DROPS names ${unknown.join(', ')}, which no migration asks approval for.`,
    reason: known.length === 0 ? 'No migration here asks for approvals.' : `Known are ${known.join(', ')}.`,
    next: 'Correct APPROVED_DROPS, in the environment or in .env.',
  });
}
