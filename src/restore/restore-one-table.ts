import { writeAcceptance } from '../archive/acceptances.ts';
import type { Entry } from '../archive/entry.ts';
import { ensureArchive } from '../archive/schema.ts';
import { takeOver } from '../archive/write-entry.ts';
import { type Closure, dependents } from '../catalog/closure.ts';
import {
  describeOutcome,
  markRestoredAs,
  readSurvivors,
  replayEntry,
  restoreEntry,
} from '../down/restore-entry.ts';
import { UndropError } from '../errors.ts';
import { lockClosure, readSurvivorLocks, takeLocks } from '../locks/lock-closure.ts';
import { withLockTries } from '../locks/lock-retries.ts';
import { type Options, parseOptions } from '../options/options.ts';
import type { Table } from '../options/table.ts';
import { parseTableName } from '../options/table-name.ts';
import type { Session } from '../session/session.ts';
import { say } from '../text/log.ts';
import { archiveClosure } from '../up/archive-closure.ts';
import { drop } from '../up/drop.ts';
import { findTables } from '../up/find-tables.ts';
import { check } from '../up/preconditions.ts';
import { rehearse, survivorChanges } from '../up/rehearse.ts';

/** What stays dropped when one table of an entry comes back. */
export interface Rest {
  /** The new open entry. */
  readonly entry: number;
  /** Qualified and quoted. */
  readonly tables: readonly string[];
  /** What the table that is back lacks as long as these are gone, such as a foreign key to one of them. */
  readonly waiting: readonly { kind: string; identity: string }[];
}

/**
 * Brings back one table of an open entry: all of them are restored and compared, as `down` does it, and the others
 * dropped again, as `up` does it, into a new entry of the same migration. So the table is exact, and a later `down`
 * brings the rest.
 *
 * @param table qualified and quoted, one of the entry's
 * @param accept the digest of differences that are accepted; default: none
 * @returns null where there were no others
 * @throws UndropError what restore and drop throw; `prerequisite-gone` where the table cannot be without the others
 */
export async function splitEntry(
  session: Session,
  entry: Entry,
  table: string,
  accept?: string,
): Promise<Rest | null> {
  const options = optionsOf(entry, accept);
  const others = entry.tables.filter(({ sql }) => sql !== table);
  if (others.length === entry.tables.length) throw new Error(`${table} is not in entry ${entry.id}`);
  if (others.length === 0) {
    await restoreEntry(session, entry, options, 'restore');
    return null;
  }
  await ensureArchive(session);
  const survivors = await readSurvivors(session, entry);
  // What the drop of the others will ask for is asked for first.
  const locks = await readSurvivorLocks(session, survivors, 'access exclusive');
  const { rest, accepted } = await withLockTries(
    session,
    options,
    () => locks,
    async ({ ms }) => {
      await takeLocks(session, locks, ms);
      const { accepted } = await replayEntry(session, entry, survivors, options.acceptDifferences);
      await markRestoredAs(session, entry, 'restore', accepted);
      const rest = await dropRest(session, entry, table, await findRest(session, others), options);
      return { rest, accepted };
    },
  );
  say(
    `${entry.migration}: ${table} restored, ${describeOutcome(entry, accepted)}; ` +
      `${rest.tables.join(', ')} ${rest.tables.length === 1 ? 'stays' : 'stay'} dropped (entry ${rest.entry})`,
  );
  return rest;
}

async function dropRest(
  session: Session,
  from: Entry,
  table: string,
  tables: readonly Table[],
  options: Options,
): Promise<Rest> {
  // All of it is of this transaction, so that no other session changes it.
  const locked = await lockClosure(session, tables, options, async (locked) => {
    await locked.lockSurvivors();
    return locked;
  });
  const judge = async (closure: Closure) => {
    refusePart(closure, table);
    await check(session, closure, options);
    return [];
  };
  const archived = await archiveClosure(session, tables, locked, options, judge, {
    ledger: from.ledger,
    backup: null,
  });
  const { entry, digest, closure, capture } = archived;
  await drop(session, tables, closure);
  const changes = await survivorChanges(session, closure.survivors, capture.facts);
  const accepted = await rehearse(session, tables, capture, options.acceptDifferences);
  if (accepted !== null) await writeAcceptance(session, entry, 'restore', accepted);
  await takeOver(session, entry, from.id, { digest, survivorChanges: changes });
  const waiting = dependents(closure).map(({ kind, identity }) => ({ kind, identity }));
  return { entry, tables: tables.map(({ sql }) => sql), waiting };
}

/** All that goes again has just been restored from the entry, so whatever goes along was a part of it. */
function optionsOf({ migration, tables }: Entry, accept: string | undefined): Options {
  return parseOptions(
    { name: migration, tables: tables.map(({ written }) => written), dependents: 'cascade', rows: 'copy' },
    { UNDROP_ACCEPT_DIFFERENCES: accept },
  );
}

/** The tables that are to go again, written and reasoned as they were. */
async function findRest(session: Session, others: Entry['tables']): Promise<Table[]> {
  const wanted = others.map(({ sql, reason }) => ({ ...parseTableName(sql), reason: reason ?? undefined }));
  const { tables } = await findTables(session, wanted);
  return tables.map((table, index) => ({ ...table, written: others[index]?.written ?? table.written }));
}

function refusePart({ members }: Closure, table: string): void {
  if (!members.some(({ kind, identity }) => kind === 'table' && identity === table)) return;
  throw new UndropError('prerequisite-gone', {
    subject: table,
    message: `${table} cannot be restored alone.`,
    reason:
      'It is a part of another table of the same entry, which would take it along: its parent, or of its type.',
    next: 'Nothing was changed. Restore the whole entry with --migration.',
  });
}
