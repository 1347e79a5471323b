import { describeAcceptance } from '../archive/acceptances.ts';
import { type KeptEntry, readEntries } from '../archive/entries.ts';
import { compareWithRecord } from '../baseline/compare-record.ts';
import { type FactRecord, readNewestRecord } from '../baseline/records.ts';
import { readComment } from '../capture/schema-comment.ts';
import { readPresent } from '../catalog/present.ts';
import { type ErrorCode, UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { checkCode } from './code.ts';
import { type Check, list } from './format.ts';
import { checkViews } from './views.ts';

export interface Verification {
  readonly ok: boolean;
  readonly checks: readonly Check[];
  readonly failure: UndropError | undefined;
}

export interface VerifyOptions {
  /** How many tables there should be in `public`. Default: any number. */
  readonly expect?: number | undefined;
  /** Objects that are new since the record, and names of dropped tables anywhere in code, fail it too. Default: false. */
  readonly strict?: boolean | undefined;
  /** Folders and files of code that should name no dropped table. Default: none. */
  readonly code?: readonly string[] | undefined;
}

/**
 * Whether the database is as the drops have left it: the proposal's "After Deletion". Every check runs, whatever
 * those before it found.
 */
export async function verifyDatabase(
  session: Session,
  { expect, strict = false, code = [] }: VerifyOptions = {},
): Promise<Verification> {
  const entries = await readEntries(session);
  const open = entries.filter(({ restoredAt }) => restoredAt === null);
  const checks = [
    await checkCount(session, expect),
    await checkGone(session, open),
    await checkOthers(session, entries, strict),
    ...checkAccepted(entries),
    await checkComments(session, open),
    await checkViews(session),
    await checkCode(code, open, strict),
  ];
  const failed = checks.filter(({ state }) => state === 'failed');
  return { ok: failed.length === 0, checks, failure: failureOf(session, failed) };
}

const counting = 'number of tables';

const countSql = /* sql */ `
  select pg_catalog.count(*)::int as count from pg_catalog.pg_tables as t where t.schemaname = 'public'`;

async function checkCount(session: Session, expect: number | undefined): Promise<Check> {
  const [row] = await session.read<{ count: number }>(countSql);
  const found = `${row?.count} in public`;
  if (expect === undefined) return { name: counting, state: 'not checked', found: `${found}, no --expect` };
  if (row?.count === expect) return { name: counting, state: 'ok', found };
  return { name: counting, state: 'failed', found: `${found}, not ${expect}` };
}

async function checkGone(session: Session, open: readonly KeptEntry[]): Promise<Check> {
  const name = 'dropped tables are gone';
  if (open.length === 0) return { name, state: 'not checked', found: 'no drop stands' };
  const there: string[] = [];
  for (const { migration, tables } of open) {
    const present = await readPresent(
      session,
      tables.map(({ sql }) => sql),
    );
    there.push(...present.map((table) => `${table} of ${migration}`));
  }
  if (there.length > 0) return { name, state: 'failed', found: `there are ${there.join(', ')}` };
  const found = open.map(({ migration, tables }) => `${tables.length} of ${migration}`).join(', ');
  return { name, state: 'ok', found };
}

async function checkOthers(session: Session, entries: readonly KeptEntry[], strict: boolean): Promise<Check> {
  const name = 'nothing else changed';
  const record = await readNewestRecord(session);
  if (record === undefined) {
    const found = 'nothing to compare with: npm run backup, or preflight -- --record, keeps what there is';
    return { name, state: 'not checked', found };
  }
  const { same, gone, changed, added, explained, onlyNames } = await compareWithRecord(
    session,
    record,
    entries,
  );
  const found = join(
    gone.length === 0 ? '' : `gone: ${list(gone)}`,
    changed.length === 0 ? '' : `changed: ${list(changed)}`,
    added.length === 0 ? '' : `new: ${list(added)}`,
    `${same} objects ${onlyNames ? `there, compared by name only with those of PostgreSQL ${record.serverVersion}` : 'as they were'}`,
    explained.length === 0 ? '' : `taken or given back: ${explained.join(', ')}`,
    `since ${describeRecord(record)}`,
  );
  const failed = gone.length > 0 || changed.length > 0 || (strict && added.length > 0);
  return { name, state: failed ? 'failed' : 'ok', found };
}

function describeRecord({ id, madeAt, madeBy, command, backup }: FactRecord): string {
  return `record ${id} of ${madeAt}, by ${madeBy} with ${command}${backup === null ? '' : ` ${backup}`}`;
}

/** Nobody vouches for what was accepted: it is listed as long as the archive holds the entry. */
function checkAccepted(entries: readonly KeptEntry[]): Check[] {
  const accepted = entries.flatMap((entry) =>
    entry.accepted.map((one) => `${entry.migration} (entry ${entry.id}): ${describeAcceptance(one)}`),
  );
  if (accepted.length === 0) return [];
  return [{ name: 'accepted differences', state: 'not checked', found: accepted.join('; ') }];
}

async function checkComments(session: Session, open: readonly KeptEntry[]): Promise<Check> {
  const name = 'schema comment';
  // Of several drops, the last one has the word.
  const wanted = new Map<string, KeptEntry>();
  for (const entry of open) if (entry.schemaComment !== null) wanted.set(entry.schemaComment.schema, entry);
  if (wanted.size === 0) return { name, state: 'not checked', found: 'no drop that stands has set one' };
  const others: string[] = [];
  for (const [schema, { migration, schemaComment }] of wanted) {
    const comment = await readComment(session, schema);
    if (comment !== schemaComment?.after) {
      others.push(`that of ${schema} is not what ${migration} set but ${JSON.stringify(comment)}`);
    }
  }
  if (others.length > 0) return { name, state: 'failed', found: others.join(', ') };
  const found = [...wanted].map(([schema, { migration }]) => `${schema}: as ${migration} set it`).join(', ');
  return { name, state: 'ok', found };
}

function join(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('; ');
}

function failureOf(session: Session, failed: readonly Check[]): UndropError | undefined {
  const [first] = failed;
  if (first === undefined) return undefined;
  const code: ErrorCode = first.name === counting ? 'count-differs' : 'drop-differs';
  return new UndropError(code, {
    subject: session.database,
    message: `${session.database} is not as the drops have left it.`,
    reason: failed.map(({ name, found }) => `${name}: ${found}`).join('\n'),
    next: 'See what has changed it since; npm run status shows which drops stand.',
  });
}
