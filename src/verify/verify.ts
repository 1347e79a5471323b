import { describeAcceptance } from '../archive/acceptances.ts';
import { type KeptEntry, readEntries } from '../archive/entries.ts';
import { type FactRecord, readNewestRecord } from '../baseline/records.ts';
import { readComment } from '../capture/schema-comment.ts';
import { readPresent } from '../catalog/present.ts';
import { type ErrorCode, UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { commandLine } from '../text/command-line.ts';
import { list } from '../text/units.ts';
import { checkArchived } from './archived.ts';
import { checkCode } from './code.ts';
import { compareWithRecord } from './compare-record.ts';
import type { Check } from './format.ts';
import { checkFunctions } from './functions.ts';
import { describeUnseen } from './unseen.ts';
import { checkViews } from './views.ts';

export interface Verification {
  readonly ok: boolean;
  readonly checks: readonly Check[];
  readonly failure: UndropError | undefined;
}

export interface VerifyOptions {
  /** The expected number of tables in `public`. Default: any number. */
  readonly expect?: number | undefined;
  /** Whether every object added since the record, and names of dropped tables anywhere in code, fail it too. Default: false. */
  readonly strict?: boolean | undefined;
  /** Folders and files of code to search for names of dropped tables. Default: none. */
  readonly code?: readonly string[] | undefined;
}

/**
 * Checks whether the database has changed otherwise than by the drops. A check that fails does not stop the others.
 */
export async function verifyDatabase(
  session: Session,
  { expect, strict = false, code = [] }: VerifyOptions = {},
): Promise<Verification> {
  const entries = await readEntries(session);
  const open = entries.filter(({ restoredAt }) => restoredAt === null);
  const record = await readNewestRecord(session);
  const checks = [
    await checkCount(session, expect),
    await checkAbsent(session, open),
    await checkOthers(session, record, entries, strict),
    ...checkAccepted(entries),
    await checkComments(session, open),
    await checkViews(session),
    ...(await checkArchived(session, open)),
    ...(await checkFunctions(session, open)),
    await checkCode(code, open, strict),
    describeUnseen(record),
  ];
  const failed = checks.filter(({ state }) => state === 'failed');
  const ok = failed.length === 0 && checks.some(({ state }) => state === 'ok');
  return { ok, checks, failure: ok ? undefined : failureOf(session, failed) };
}

const counting = 'number of tables';

const countSql = /* sql */ `
  select pg_catalog.count(*)::int as count from pg_catalog.pg_tables as t where t.schemaname = 'public'`;

async function checkCount(session: Session, expect: number | undefined): Promise<Check> {
  const [row] = await session.read<{ count: number }>(countSql);
  const found = `${row?.count} in public`;
  if (expect === undefined)
    return { name: counting, state: 'not checked', found: `${found}; --expect is not set` };
  if (row?.count === expect) return { name: counting, state: 'ok', found };
  return { name: counting, state: 'failed', found: `${found}; expected ${expect}` };
}

async function checkAbsent(session: Session, open: readonly KeptEntry[]): Promise<Check> {
  const name = 'dropped tables are absent';
  if (open.length === 0) return { name, state: 'not checked', found: 'no open entry' };
  const existing: string[] = [];
  for (const { migration, tables } of open) {
    const present = await readPresent(
      session,
      tables.map(({ sql }) => sql),
    );
    existing.push(...present.map((table) => `${table} of ${migration}`));
  }
  if (existing.length > 0) return { name, state: 'failed', found: `existing: ${existing.join(', ')}` };
  const found = open.map(({ migration, tables }) => `${tables.length} of ${migration}`).join(', ');
  return { name, state: 'ok', found };
}

async function checkOthers(
  session: Session,
  record: FactRecord | undefined,
  entries: readonly KeptEntry[],
  strict: boolean,
): Promise<Check> {
  const name = 'nothing else changed';
  if (record === undefined) {
    const found = `no record to compare with; ${commandLine('backup')} or ${commandLine('preflight', '--record')} creates one`;
    return { name, state: 'not checked', found };
  }
  const comparison = await compareWithRecord(session, record, entries);
  const { same, gone, changed, acting, added, explained, inPart, onlyNames } = comparison;
  const found = join(
    gone.length === 0 ? '' : `missing: ${list(gone)}`,
    changed.length === 0 ? '' : `changed: ${list(changed)}`,
    acting.length === 0 ? '' : `new, with effect on existing objects: ${list(acting)}`,
    added.length === 0 ? '' : `new: ${list(added)}`,
    onlyNames
      ? `${same} objects exist, compared by name only, since the record is from PostgreSQL ${record.serverVersion}`
      : `${same} objects unchanged`,
    explained.length === 0 ? '' : `explained ${explained.join(', ')}`,
    inPart.length === 0 ? '' : `of which compared in part: ${list(inPart)}`,
    `since ${describeRecord(record)}`,
  );
  const failed = [gone, changed, acting, strict ? added : []].some(({ length }) => length > 0);
  return { name, state: failed ? 'failed' : 'ok', found };
}

function describeRecord({ id, madeAt, madeBy, command, backup }: FactRecord): string {
  return `record ${id} of ${madeAt}, by ${madeBy} with ${command}${backup === null ? '' : ` ${backup}`}`;
}

/** Lists the accepted differences of all entries in the archive. They are not checked. */
function checkAccepted(entries: readonly KeptEntry[]): Check[] {
  const accepted = entries.flatMap((entry) =>
    entry.accepted.map((one) => `${entry.migration} (entry ${entry.id}): ${describeAcceptance(one)}`),
  );
  if (accepted.length === 0) return [];
  return [{ name: 'accepted differences', state: 'not checked', found: accepted.join('; ') }];
}

async function checkComments(session: Session, open: readonly KeptEntry[]): Promise<Check> {
  const name = 'schema comment';
  // If several open entries have set the comment on a schema, the last one applies.
  const wanted = new Map<string, KeptEntry>();
  for (const entry of open) if (entry.schemaComment !== null) wanted.set(entry.schemaComment.schema, entry);
  if (wanted.size === 0) return { name, state: 'not checked', found: 'no open entry has set one' };
  const others: string[] = [];
  for (const [schema, { migration, schemaComment }] of wanted) {
    const comment = await readComment(session, schema);
    if (comment !== schemaComment?.after) {
      others.push(`${schema}: not as ${migration} set it, but ${JSON.stringify(comment)}`);
    }
  }
  if (others.length > 0) return { name, state: 'failed', found: others.join(', ') };
  const found = [...wanted].map(([schema, { migration }]) => `${schema}: as ${migration} set it`).join(', ');
  return { name, state: 'ok', found };
}

function join(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('; ');
}

function failureOf(session: Session, failed: readonly Check[]): UndropError {
  const [first] = failed;
  if (first === undefined) return nothingChecked(session);
  const code: ErrorCode = first.name === counting ? 'count-differs' : 'drop-differs';
  return new UndropError(code, {
    subject: session.database,
    message: `${session.database} has changed otherwise than by its drops.`,
    reason: failed.map(({ name, found }) => `${name}: ${found}`).join('\n'),
    next: `Find out what has changed it; ${commandLine('status')} lists the open entries.`,
  });
}

function nothingChecked({ database }: Session): UndropError {
  return new UndropError('not-verified', {
    subject: database,
    message: `Nothing in ${database} could be checked.`,
    reason: 'There is no record to compare with, no open entry, no view and no expected number of tables.',
    next: `Make a record with ${commandLine('backup')} or ${commandLine('preflight', '--record')}, or set --expect.`,
  });
}
