import type { Knex } from 'knex';
import { writeAcceptance } from '../archive/acceptances.ts';
import { changeArchive } from '../archive/change-archive.ts';
import { findDone } from '../archive/entry-of-migration.ts';
import { describeKept, type KeptRows } from '../archive/kept-rows.ts';
import { ensureArchive } from '../archive/schema.ts';
import { amendEntry } from '../archive/write-entry.ts';
import { requireBackup } from '../backup/backup-gate.ts';
import { setSchemaComment } from '../capture/schema-comment.ts';
import { readReach } from '../catalog/closure.ts';
import { withTables } from '../catalog/find-schemas.ts';
import { findUsedLedger } from '../knex/find-ledgers.ts';
import { type Locked, lockClosure } from '../locks/lock-closure.ts';
import { type ReadCommitted, withSecondConnection } from '../locks/second-connection.ts';
import type { Options } from '../options/options.ts';
import type { Table } from '../options/table.ts';
import { checkDeferred } from '../session/deferred-constraints.ts';
import { inSession, type Session } from '../session/session.ts';
import { say } from '../text/log.ts';
import { together } from '../text/together.ts';
import { countOf } from '../text/units.ts';
import { approvedTables, checkFingerprints } from './approve.ts';
import { archiveClosure, archiveNothing, type Known } from './archive-closure.ts';
import { drop } from './drop.ts';
import { gate } from './find-tables.ts';
import { describeForeignRows } from './foreign-rows.ts';
import { describeNamingValues } from './naming-values.ts';
import { check } from './preconditions.ts';
import { describePublished } from './publication-warning.ts';
import { rehearse, survivorChanges } from './rehearse.ts';
import { rehearseRows } from './rehearse-rows.ts';
import { markWal } from './restore-point.ts';

/**
 * Drops the tables of a migration, and rehearses their restore in the same transaction. If it throws, nothing was
 * changed.
 */
export async function up(knex: Knex, given: Options): Promise<void> {
  await inSession(knex, async (session) => {
    approvedTables(given);
    await ensureArchive(session);
    const options = await withTables(session, given);
    const ledger = await findUsedLedger(session, knex);
    const done = await findDone(session, { options, ledger });
    if (done === undefined)
      await withSecondConnection(knex, session, (committed) =>
        dropTables(session, options, ledger ?? null, committed),
      );
    else say(`${options.name}: already dropped on ${done.droppedAt} (entry ${done.id}); nothing to do`);
  });
}

async function dropTables(
  session: Session,
  options: Options,
  ledger: string | null,
  committed: ReadCommitted | undefined,
): Promise<void> {
  session.phase('gate');
  const published = await describePublished(session);
  if (published !== undefined) say(`${options.name}: ${published}`);
  const tables = await gate(session, options);
  if (tables.length === 0) {
    const known = { ledger, backup: null };
    const entry = await changeArchive(session, () => archiveNothing(session, options, known));
    say(`${options.name}: none of the tables exists, nothing to drop (entry ${entry})`);
    return;
  }
  const backup = await requireBackup(session, tables, options);
  const naming = await describeNamingValues(session, tables, options);
  if (naming !== undefined) say(`${options.name}: ${naming}`);
  await checkDeferred(session, `${options.name} drops tables`, () => findReach(session, tables));
  session.phase('lock');
  // DROP takes locks of its own, which may time out, and another session may change the closure: then all of this is
  // repeated.
  const { entry, fingerprint, rows, isMoved, elsewhere } = await lockClosure(
    session,
    tables,
    options,
    (locked) =>
      changeArchive(session, () => dropLocked(session, tables, locked, options, { ledger, backup })),
    committed,
  );
  const copied = rows.length === 0 ? '' : `${describeKept(rows)} copied, `;
  say(
    `${options.name}: ${countOf(tables.length, 'table')} ${isMoved ? 'moved into the archive' : 'dropped'}, ${copied}restore rehearsed (entry ${entry}, ${fingerprint})`,
  );
  if (elsewhere !== undefined) say(`${options.name}: ${elsewhere}`);
}

/** The OIDs of the relations in the closure and of the survivors. */
async function findReach(session: Session, tables: readonly Table[]): Promise<number[]> {
  const { members, survivors } = await readReach(
    session,
    tables.map(({ oid }) => oid),
  );
  const relations = members.filter(({ catalog }) => catalog === 'pg_class').map(({ objid }) => objid);
  return [...relations, ...survivors.map(({ oid }) => oid)];
}

interface Dropped {
  readonly entry: number;
  readonly fingerprint: string;
  readonly rows: readonly KeptRows[];
  readonly isMoved: boolean;
  /** The rows that stay on foreign servers. */
  readonly elsewhere: string | undefined;
}

async function dropLocked(
  session: Session,
  tables: readonly Table[],
  locked: Locked,
  options: Options,
  known: Known,
): Promise<Dropped> {
  session.phase('capture');
  const judge = async (closure: Locked['closure']) => {
    await check(session, closure, options);
    return checkFingerprints(session, tables, options);
  };
  const archived = await archiveClosure(session, tables, locked, options, judge, known);
  const { entry, digest, closure, capture } = archived;
  session.phase('rehearse rows');
  const rest = await rehearseRows(session, archived);
  const elsewhere = options.rows !== 'refuse' ? await describeForeignRows(session, closure) : undefined;
  session.phase('drop');
  await locked.lockSurvivors(capture.rows.length > 0);
  const place = await markWal(session, options.name, entry);
  await drop(session, tables, closure, capture);
  const changes = await survivorChanges(session, closure.survivors, capture.facts);
  session.phase('rehearse');
  // The check reads on the second connection meanwhile.
  const [accepted] = await together([
    rehearse(session, tables, rest, options.acceptDifferences),
    locked.check(),
  ]);
  if (accepted !== null) await writeAcceptance(session, entry, 'up', accepted);
  const schemaComment =
    options.schemaComment === undefined || tables[0] === undefined
      ? undefined
      : await setSchemaComment(session, tables[0].schema, options.schemaComment);
  await amendEntry(session, entry, { digest, survivorChanges: changes, schemaComment, place });
  // What was moved was not dropped, so that others may have changed it without a lock until now.
  const isMoved = capture.moved.length > 0;
  await (isMoved ? locked.check() : locked.checkDropped());
  return { entry, fingerprint: capture.fingerprint, rows: capture.rows, isMoved, elsewhere };
}
