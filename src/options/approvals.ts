import { UndropError } from '../errors.ts';
import { approvalsFile, readApprovalsFile } from './approvals-file.ts';

/** The user's approval to drop one table. With a fingerprint, it is valid only while the table is unchanged. */
export interface Approval {
  readonly table: string;
  readonly fingerprint: string | undefined;
  readonly by: string | null;
  readonly note: string | null;
  /** When it was given, ISO 8601; null if it is not recorded. */
  readonly at: string | null;
  /** Where it is: `APPROVED_DROPS`, or the path of `approvals.json`. */
  readonly source: string;
}

// A part in double quotes may contain commas and at signs. A doubled quote always ends one part and begins the next.
// If it could also be inside a part, a sequence of quotes could match in exponentially many ways.
const items = /((?:"[^"]*"|[^",])*)(?:,|$)/gsy;
const item = /^((?:"[^"]*"|[^"@])+)(?:@(.*))?$/s;

/**
 * Reads approvals from `approvals.json` of the project folder, and from
 * `APPROVED_DROPS=interaction_lineage,organizations@3f2a9c1b0d4e`, which takes precedence, by table name as the migration
 * writes it. A fingerprint may be shortened to eight digits.
 *
 * @throws UndropError `bad-options`
 */
export function readApprovals(
  env: NodeJS.ProcessEnv = process.env,
  file: string = approvalsFile(),
): ReadonlyMap<string, Approval> {
  const approvals = new Map<string, Approval>();
  for (const [table, kept] of Object.entries(readApprovalsFile(file)))
    approvals.set(table, { ...kept, table, source: file });
  for (const text of split(env.APPROVED_DROPS ?? '')) {
    const [, table = '', fingerprint] = item.exec(text) ?? [];
    if (table === '' || (fingerprint !== undefined && !/^[0-9a-f]{8,12}$/.test(fingerprint))) {
      throw new UndropError('bad-options', {
        subject: 'APPROVED_DROPS',
        message: `APPROVED_DROPS contains ${JSON.stringify(text)}, which is not an approval.`,
        reason: 'An approval is table or table@fingerprint, with 8 to 12 hexadecimal digits.',
        next: 'Correct APPROVED_DROPS, in the environment or in .env.',
      });
    }
    approvals.set(table, {
      table,
      fingerprint,
      by: env.APPROVED_BY ?? null,
      note: env.APPROVAL_NOTE ?? null,
      at: null,
      source: variable,
    });
  }
  return approvals;
}

function split(list: string): string[] {
  const parts = [...list.matchAll(items)];
  const end = parts.reduce((sum, [whole]) => sum + whole.length, 0);
  // From an unclosed quote on, the text is one item, which is not a valid approval.
  const texts = [...parts.map(([, text = '']) => text), list.slice(end)];
  return texts.map((text) => text.trim()).filter((text) => text !== '');
}

/**
 * Refuses approvals for tables that no migration drops: a misspelt approval must not look like a missing one.
 *
 * @throws UndropError `bad-options`, which names these tables
 */
export function checkApprovals(known: readonly string[], env: NodeJS.ProcessEnv = process.env): void {
  const unknown = [...readApprovals(env).values()].filter(({ table }) => !known.includes(table));
  const [first] = unknown;
  if (first === undefined) return;
  const { source } = first;
  const names = unknown.filter((one) => one.source === source).map(({ table }) => table);
  throw new UndropError('bad-options', {
    subject: source,
    message: `${source} names ${names.join(', ')}, for which no migration requires approval.`,
    reason:
      known.length === 0
        ? 'No migration of this project requires approval.'
        : `Tables that require approval: ${known.join(', ')}.`,
    next:
      source === variable
        ? 'Correct APPROVED_DROPS, in the environment or in .env.'
        : 'Remove them from the file, or correct the migration.',
  });
}

const variable = 'APPROVED_DROPS';
