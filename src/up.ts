import type { Knex } from 'knex';
import { approvedTables, checkFingerprints } from './approve.ts';
import { amendEntry, archive, findEntry, newEntry } from './archive.ts';
import { ensureArchive } from './archive-schema.ts';
import { requireBackup } from './backup/required.ts';
import { captureClosure } from './capture.ts';
import { check } from './check.ts';
import { drop } from './drop.ts';
import { fingerprintOf } from './fingerprint.ts';
import { gate } from './gate.ts';
import { lockClosure } from './lock.ts';
import type { Options } from './options.ts';
import { readPrerequisites } from './prerequisites.ts';
import { hostChanges, rehearse } from './rehearse.ts';
import { countRows, keepRows } from './rows.ts';
import { countTables, say } from './say.ts';
import { setSchemaComment } from './schema-comment.ts';
import { inSession } from './session.ts';
import { verifyDropped } from './verify.ts';

/**
 * Drops the tables of a migration, having proved in the same transaction that they can be brought back.
 * Whatever it throws, nothing has been changed.
 */
export async function up(knex: Knex, options: Options): Promise<void> {
  await inSession(knex, async (session) => {
    approvedTables(options);
    await ensureArchive(session);
    const unrestored = await findEntry(session, options.name);
    if (unrestored?.restoredAt === null) return verifyDropped(session, unrestored);

    const tables = await gate(session, options);
    const backup = await requireBackup(session, tables, options);
    const closure = await lockClosure(session, tables, options);
    await check(session, closure, options);
    const approvals = await checkFingerprints(session, tables, options);
    const entry = await newEntry(session);
    const capture = await captureClosure(session, closure, options.rows === 'archive' ? entry : undefined);
    const prerequisites = await readPrerequisites(session, closure);
    const fingerprint = fingerprintOf(capture.facts.own);
    const { hosts } = closure;
    const rows = await keepRows(session, capture.rows);
    const circumstances = { fingerprint, prerequisites, hosts, approvals, backup };
    await archive(session, entry, tables, { ...capture, rows }, circumstances, options);
    await drop(session, tables, closure);
    const changes = await hostChanges(session, closure, capture);
    await rehearse(session, tables, { ...capture, rows });
    const comment =
      options.schemaComment === undefined || tables[0] === undefined
        ? undefined
        : await setSchemaComment(session, tables[0].schema, options.schemaComment);
    await amendEntry(session, entry, changes, comment);
    say(
      `${options.name}: ${countTables(tables)} dropped, ${rows.length === 0 ? '' : `${countRows(rows)} kept, `}` +
        `the way back rehearsed (entry ${entry}, ${fingerprint})`,
    );
  });
}
