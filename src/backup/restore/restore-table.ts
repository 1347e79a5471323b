import type { Knex } from 'knex';
import { hasArchive, placeSql } from '../../archive/schema.ts';
import { readPresent } from '../../catalog/present.ts';
import { UndropError } from '../../errors.ts';
import type { Target } from '../../knex/target.ts';
import { parseTableName } from '../../options/table-name.ts';
import { inReadOnlySession } from '../../session/read-only.ts';
import { inSession, type Session } from '../../session/session.ts';
import { say } from '../../text/log.ts';
import type { Manifest } from '../manifest.ts';
import { openBackup } from '../open-backup.ts';
import { bringTable, checkReady, type RestoredTable, refuseTaken } from './bring-table.ts';
import { type CapturedTable, captureSource } from './capture-source.ts';
import { copySql } from './play.ts';
import { refuseEmbedded } from './restore-database.ts';
import { withKnex } from './scratch.ts';
import { type Source, withSource } from './source.ts';

/**
 * Restores one table from a backup into the live database, with its rows and the objects that belong to it. Unpacks the
 * backup into a scratch database and captures the table there; replays it in the live database and compares it, in one
 * transaction. If an open entry has the table, the other tables of that entry remain dropped; its rollback restores them.
 *
 * @param written the name of the table as in a migration
 * @param accept the digest of differences to accept; default: none
 * @throws UndropError `bad-options`, `backup-unproved`, `missing-table`, `name-taken`, `not-reproducible`,
 * `prerequisite-gone`, `restore-failed`, `restore-differs`, `lock-timeout`
 */
export async function restoreTable(
  knex: Knex,
  target: Target,
  path: string,
  written: string,
  { accept, signal }: { accept?: string | undefined; signal?: AbortSignal } = {},
): Promise<RestoredTable> {
  const isFree = (table: { schema: string; name: string }) =>
    inReadOnlySession(knex, (session) => refuseTaken(session, table));
  return withCaptured(knex, target, path, written, signal, isFree, async (captured, source) => {
    // Unpacking the rows takes longest.
    await inReadOnlySession(knex, (session) => checkReady(session, captured));
    return source.withRows(captured.tables, (unpacked) =>
      withKnex(unpacked, (pool) =>
        inSession(pool, (from) => inSession(knex, (session) => bringTable(session, captured, from, accept)), {
          onlyReads: true,
        }),
      ),
    );
  });
}

/**
 * Returns the statements that `restoreTable` would run. Changes nothing in the live database.
 *
 * @throws UndropError as `restoreTable`
 */
export async function planTable(
  knex: Knex,
  target: Target,
  path: string,
  written: string,
  signal?: AbortSignal,
): Promise<string[]> {
  const anyName = async () => undefined;
  return withCaptured(knex, target, path, written, signal, anyName, async ({ statements, tables }) =>
    statements.map(({ kind, identity, sql }) =>
      kind === 'rows' ? `${copySql(tables, identity)} from stdin` : sql,
    ),
  );
}

async function withCaptured<T>(
  knex: Knex,
  target: Target,
  path: string,
  written: string,
  signal: AbortSignal | undefined,
  check: (wanted: { schema: string; name: string }) => Promise<void>,
  work: (captured: CapturedTable, source: Source) => Promise<T>,
): Promise<T> {
  refuseEmbedded(target);
  const backup = await openBackup(path);
  await inReadOnlySession(knex, (session) => checkOrigin(session, backup.manifest));
  const wanted = choose(backup.manifest, written);
  await check(wanted);
  return withSource(target, backup, signal, async (source) => {
    const findExisting = (tables: readonly string[]) =>
      inReadOnlySession(knex, async (session) => new Set(await readPresent(session, tables)));
    const captured = await withKnex(source.schema, (pool) =>
      inSession(pool, (session) => captureSource(session, wanted, findExisting), { onlyReads: true }),
    );
    return work(captured, source);
  });
}

/** Checks that the backup is of this database or of a copy of it, which has the same identity. */
async function checkOrigin(session: Session, { database, file }: Manifest): Promise<void> {
  if (!(await hasArchive(session))) return;
  const [place] = await session.read<{ identity: string; database_oid: string; system_identifier: string }>(
    `select p.identity, p.database_oid::text as database_oid, p.system_identifier from (${placeSql}) as p`,
  );
  if (place?.identity !== database.identity) {
    throw new UndropError('backup-unproved', {
      subject: file,
      message: `The backup ${file} is not a backup of ${session.database}.`,
      reason: `It is a backup of ${database.name}, a database with another identity.`,
      next: `Connect to ${database.name}, or restore the backup into a new database with --into.`,
    });
  }
  const same = place.database_oid === database.oid && place.system_identifier === database.systemIdentifier;
  if (!same)
    say(
      `The backup is of ${database.name}; one of ${database.name} and ${session.database} is a copy of the other.`,
    );
}

function choose({ tables, file }: Manifest, written: string): { schema: string; name: string } {
  const { schema, name } = parseTableName(written);
  const matching = tables.filter(
    (table) => table.name === name && (schema === undefined || table.schema === schema),
  );
  const [table, ...others] = matching;
  if (table !== undefined && others.length === 0) return table;
  throw new UndropError(table === undefined ? 'missing-table' : 'bad-options', {
    subject: written,
    message:
      table === undefined
        ? `The backup ${file} has no table ${written}.`
        : `The backup ${file} has several tables named ${written}.`,
    reason:
      table === undefined
        ? 'The table did not exist when the backup was taken, or the name is wrong.'
        : `They are in the schemas ${matching.map((match) => match.schema).join(', ')}.`,
    next: 'Name the table with its schema, as in the manifest beside the backup.',
  });
}
