import { writeAcceptance } from '../archive/acceptances.ts';
import { changeArchive } from '../archive/change-archive.ts';
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

/** What stays dropped when one table of an entry is restored. */
export interface Rest {
  /** The new open entry. */
  readonly entry: number;
  /** Qualified and quoted. */
  readonly tables: readonly string[];
  /**
   * Dependent objects that the restored table lacks until these tables are restored, such as a foreign key to one of
   * them.
   */
  readonly waiting: readonly { kind: string; identity: string }[];
}

/**
 * Restores one table of an open entry: restores and compares the whole entry, as `down` does, then drops the other
 * tables again, as `up` does, into a new entry of the same migration. A later `down` restores those.
 *
 * @param table one of the entry's tables, qualified and quoted
 * @param accept the digest of differences that are accepted; default: none
 * @returns null where the entry has no other tables
 * @throws UndropError as `replayEntry` and the drop; `prerequisite-gone` where the table cannot exist without the
 * others
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
  // Take the locks first that the drop of the other tables will need.
  const locks = await readSurvivorLocks(session, survivors, 'access exclusive');
  const { rest, accepted } = await withLockTries(
    session,
    options,
    () => locks,
    async ({ ms }) => {
      await takeLocks(session, locks, ms);
      const { accepted } = await replayEntry(session, entry, survivors, options.acceptDifferences);
      return changeArchive(session, async () => {
        await markRestoredAs(session, entry, 'restore', accepted);
        const rest = await dropRest(session, entry, table, await findRest(session, others), options);
        return { rest, accepted };
      });
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
  // This transaction has created all of the objects, so no other session can change them.
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
  await drop(session, tables, closure, capture);
  const changes = await survivorChanges(session, closure.survivors, capture.facts);
  const accepted = await rehearse(session, tables, capture, options.acceptDifferences);
  if (accepted !== null) await writeAcceptance(session, entry, 'restore', accepted);
  await takeOver(session, entry, from.id, { digest, survivorChanges: changes });
  const waiting = dependents(closure).map(({ kind, identity }) => ({ kind, identity }));
  return { entry, tables: tables.map(({ sql }) => sql), waiting };
}

/** Options for dropping the other tables again. All dependent objects have just been restored from the entry. */
function optionsOf({ migration, tables, moved }: Entry, accept: string | undefined): Options {
  const rows = moved.length === 0 ? 'copy' : 'move';
  return parseOptions(
    { name: migration, tables: tables.map(({ written }) => written), dependents: 'cascade', rows },
    { UNDROP_ACCEPT_DIFFERENCES: accept, UNDROP_COPY_LIMIT: 'off' },
  );
}

/** The tables to drop again, with their written names and reasons. */
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
    reason: 'It depends on another table of the same entry, which is its parent or defines its type.',
    next: 'Nothing was changed. Restore the whole entry with --migration.',
  });
}
