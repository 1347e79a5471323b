import type { Knex } from 'knex';
import { writeAcceptance } from './acceptances.ts';
import { approvedTables, checkFingerprints } from './approve.ts';
import { archiveClosure } from './archive-closure.ts';
import { ensureArchive } from './archive-schema.ts';
import { requireBackup } from './backup/required.ts';
import { check } from './check.ts';
import { drop } from './drop.ts';
import { gate } from './gate.ts';
import { findUsedLedger } from './ledgers.ts';
import { lockClosure } from './lock.ts';
import type { Options } from './options.ts';
import { findDone } from './own-entry.ts';
import { describePublished } from './published.ts';
import { hostChanges, rehearse } from './rehearse.ts';
import { markWal } from './restore-point.ts';
import { countRows } from './rows.ts';
import { countTables, say } from './say.ts';
import { setSchemaComment } from './schema-comment.ts';
import { inSession } from './session.ts';
import { amendEntry } from './write-entry.ts';

/**
 * Drops the tables of a migration, having proved in the same transaction that they can be brought back.
 * Whatever it throws, nothing has been changed.
 */
export async function up(knex: Knex, options: Options): Promise<void> {
  await inSession(knex, async (session) => {
    approvedTables(options);
    await ensureArchive(session);
    const ledger = await findUsedLedger(session, knex);
    const done = await findDone(session, { options, ledger });
    if (done !== undefined)
      return say(`${options.name}: already dropped on ${done.droppedAt} (entry ${done.id}); nothing to do`);

    session.phase('gate');
    const published = await describePublished(session);
    if (published !== undefined) say(`${options.name}: ${published}`);
    const tables = await gate(session, options);
    const backup = await requireBackup(session, tables, options);
    session.phase('lock');
    // A lock that only DROP itself may take can fail it: then all of this is tried again.
    const { hosts, entry, digest, capture, place } = await lockClosure(
      session,
      tables,
      options,
      async ({ closure, lockHosts }) => {
        session.phase('capture');
        await check(session, closure, options);
        const approvals = await checkFingerprints(session, tables, options);
        const archived = await archiveClosure(session, tables, closure, options, {
          ledger: ledger ?? null,
          approvals,
          backup,
        });
        session.phase('drop');
        await lockHosts();
        const place = await markWal(session, options.name, archived.entry);
        await drop(session, tables, closure);
        return { hosts: closure.hosts, place, ...archived };
      },
    );
    const changes = await hostChanges(session, hosts, capture.facts);
    session.phase('rehearse');
    const accepted = await rehearse(session, tables, capture, options.acceptDifferences);
    if (accepted !== null) await writeAcceptance(session, entry, 'up', accepted);
    const schemaComment =
      options.schemaComment === undefined || tables[0] === undefined
        ? undefined
        : await setSchemaComment(session, tables[0].schema, options.schemaComment);
    await amendEntry(session, entry, { digest, hostChanges: changes, schemaComment, place });
    const kept = capture.rows.length === 0 ? '' : `${countRows(capture.rows)} kept, `;
    say(
      `${options.name}: ${countTables(tables)} dropped, ${kept}the way back rehearsed (entry ${entry}, ${capture.fingerprint})`,
    );
  });
}
