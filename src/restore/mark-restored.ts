import { lockIfPublished } from '../archive/change-archive.ts';
import { digestRows, noRows } from '../archive/digest-rows.ts';
import { readEntries } from '../archive/entries.ts';
import { type Entry, holdEntry, loadCapture } from '../archive/entry.ts';
import { compareRows, type KeptRows } from '../archive/kept-rows.ts';
import { checkMoved } from '../archive/move-tables.ts';
import { movedRows } from '../archive/moved-schemas.ts';
import { type Accepted, acceptDifferences } from '../capture/accept-differences.ts';
import type { Statement } from '../capture/capture.ts';
import { restoreSchemaComment } from '../capture/schema-comment.ts';
import type { Fact } from '../catalog/facts/facts.ts';
import { readPresent } from '../catalog/present.ts';
import { compareArchived } from '../down/across-majors.ts';
import { readReplaced } from '../down/replaced-tables.ts';
import { readRestored } from '../down/replay.ts';
import { markRestoredAs } from '../down/restore-entry.ts';
import { readTied } from '../down/tied-rows.ts';
import { isUndropError, UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';

/** An open entry whose tables all exist, by whatever means they were restored. */
export interface Settled {
  readonly migration: string;
  readonly id: number;
  /** Whether it was marked as restored, so that a later rollback does nothing. */
  readonly restored: boolean;
  /** Why it stays open. */
  readonly reason: string | null;
}

/**
 * Marks open entries as restored whose tables all exist and are identical to what was dropped, except for accepted
 * differences. Restores the schema comment as a rollback would.
 *
 * @param accept the digest of differences that are accepted; default: none
 */
export async function settleEntries(session: Session, accept?: string): Promise<Settled[]> {
  return settle(session, await judgeEntries(session, [], accept));
}

/**
 * Like `settleEntries`, after the replay of a file. A table of an open entry that the file created must be identical to
 * what that entry dropped.
 *
 * @param made the tables that the file created, qualified and quoted
 * @param accept the digest of differences that are accepted; default: none
 * @returns `uncompared`: the created tables that no open entry holds
 * @throws UndropError `restore-differs`
 */
export async function settleMade(
  session: Session,
  file: string,
  made: readonly string[],
  accept?: string,
): Promise<{ entries: Settled[]; uncompared: string[] }> {
  const judged = await judgeEntries(session, made, accept);
  const good = new Set(judged.filter(({ state }) => state === 'equal').flatMap(({ tables }) => tables));
  const left = made.filter((table) => !good.has(table));
  const bad = judged.filter(
    ({ state, tables }) =>
      (state === 'different' || state === 'incomplete') && tables.some((table) => left.includes(table)),
  );
  if (bad.length > 0) throw notWhatWasDropped(file, bad);
  return { entries: await settle(session, judged), uncompared: left };
}

interface Judged {
  readonly entry: Entry;
  /** All tables of the entry, dependent ones included, qualified and quoted. */
  readonly tables: readonly string[];
  readonly state: 'equal' | 'different' | 'incomplete' | 'damaged';
  /** Why it is not `equal`. */
  readonly reason: string | null;
  readonly accepted: Accepted | null;
}

async function settle(session: Session, judged: readonly Judged[]): Promise<Settled[]> {
  const complete = judged.filter(({ state }) => state !== 'incomplete');
  for (const { entry, state, accepted } of complete) {
    if (state !== 'equal') continue;
    if (entry.schemaComment !== null) await restoreSchemaComment(session, entry.schemaComment);
    await markRestoredAs(session, entry, 'restore', accepted);
  }
  return complete.map(({ entry: { migration, id }, reason }) => ({
    migration,
    id,
    restored: reason === null,
    reason,
  }));
}

/** Compares the open entries of which at least one table exists. */
async function judgeEntries(
  session: Session,
  made: readonly string[],
  accept: string | undefined,
): Promise<Judged[]> {
  await lockIfPublished(session);
  const judged: Judged[] = [];
  for (const { id, restoredAt } of await readEntries(session)) {
    if (restoredAt !== null) continue;
    const entry = await holdEntry(session, id);
    if (entry === undefined || entry.restoredAt !== null) continue;
    const names = namesOf(entry);
    const present = await readPresent(session, names);
    if (present.length === 0 && names.length > 0) continue;
    const absent = names.filter((name) => !present.includes(name));
    judged.push(await judge(session, entry, absent, made, accept));
  }
  return judged;
}

async function judge(
  session: Session,
  entry: Entry,
  absent: readonly string[],
  made: readonly string[],
  accept: string | undefined,
): Promise<Judged> {
  const unaccepted = { entry, accepted: null };
  try {
    const { facts: dropped, statements, rows: copied } = await loadCapture(session, entry);
    const rows = [...copied, ...(await digestMoved(session, statements, entry))];
    const about = { ...unaccepted, tables: tablesIn(dropped) };
    if (absent.length > 0) {
      const reason = `These tables do not exist: ${absent.join(', ')}.`;
      return { ...about, state: 'incomplete', reason };
    }
    const { facts } = await readRestored(session, namesOf(entry));
    const own = compareArchived(entry.serverVersion, dropped, session.server, facts.own);
    // Rows of a created table are from the file: where the entry holds none, there must be none.
    const kept = new Set(rows.map(({ table }) => table));
    const empty = about.tables.filter((table) => made.includes(table) && !kept.has(table));
    const none = empty.map((table): KeptRows => ({ table, store: '', ...noRows }));
    const differences = [
      ...own.differences,
      ...(await compareRows(session, [...rows, ...none])),
      ...(await readTied(session, await readReplaced(session, entry), { facts: dropped, rows })),
    ];
    try {
      const accepted = acceptDifferences(differences, accept === undefined ? [] : [accept], {
        code: 'restore-differs',
        message: 'The existing objects differ from the dropped ones.',
        next: 'Undo what was changed around the tables since the drop.',
        rows: 'accept',
      });
      return { ...about, accepted, state: 'equal', reason: null };
    } catch (error) {
      if (!isUndropError(error)) throw error;
      return { ...about, state: 'different', reason: `${error.reason}\n${error.next}` };
    }
  } catch (error) {
    // A damaged entry cannot be compared with anything; it must not prevent a restore from a file either.
    if (!isUndropError(error) || error.code !== 'archive-damaged') throw error;
    return { ...unaccepted, tables: namesOf(entry), state: 'damaged', reason: error.message };
  }
}

/** The rows of moved tables, in the form of copied ones. The tables stay in the archive until the entry is removed. */
async function digestMoved(
  session: Session,
  statements: readonly Statement[],
  entry: Entry,
): Promise<KeptRows[]> {
  await checkMoved(session, entry);
  const rows: KeptRows[] = [];
  for (const { table, store } of movedRows(statements, entry.moved))
    rows.push({ table, store, ...(await digestRows(session, store)) });
  return rows;
}

/** Qualified and quoted. */
function tablesIn(facts: readonly Fact[]): string[] {
  const found = facts.filter(({ catalog }) => catalog === 'pg_class');
  return found.flatMap(({ identity }) => /^table (.*)$/s.exec(identity)?.[1] ?? []);
}

function namesOf({ tables }: Entry): string[] {
  return tables.map(({ sql }) => sql);
}

function notWhatWasDropped(file: string, bad: readonly Judged[]): UndropError {
  const migrations = bad.map(({ entry }) => entry.migration).join(', ');
  return new UndropError('restore-differs', {
    subject: file,
    message: `The tables in ${file} differ from those that ${migrations} dropped.`,
    reason: bad
      .map(({ entry: { migration, id }, reason }) => `Entry ${id} of ${migration}:\n${reason}`)
      .join('\n'),
    next:
      'Nothing was changed. To restore the tables as they were, use the archive: undrop restore --migration, or --table for ' +
      'one table. To create the tables of the file, run it with psql: the entry then stays open.',
  });
}
