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
import { bringTable, type RestoredTable } from './bring-table.ts';
import { type CapturedTable, captureSource } from './capture-source.ts';
import { copySql } from './play.ts';
import { refuseEmbedded } from './restore-database.ts';
import { withKnex } from './scratch.ts';
import { type Source, withSource } from './source.ts';

/**
 * Brings back one table from a backup, with its rows and all that belongs to it, into the live database. The backup is
 * unpacked beside it, the table captured there, replayed here and compared, in one transaction. Where an open drop holds
 * the table, the rest of that stays dropped and comes back with the rollback.
 *
 * @param written the table, as a migration would write it
 * @param accept the digest of differences that are accepted; default: none
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
  return withCaptured(knex, target, path, written, signal, async (captured, source) => {
    const rows = await source.withRows(captured.tables, (unpacked) =>
      withKnex(unpacked, (pool) =>
        inSession(pool, (from) => inSession(knex, (session) => bringTable(session, captured, from, accept)), {
          onlyReads: true,
        }),
      ),
    );
    return rows;
  });
}

/**
 * The statements that `restoreTable` would run. Changes nothing in the live database.
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
  return withCaptured(knex, target, path, written, signal, async ({ statements, tables }) =>
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
  work: (captured: CapturedTable, source: Source) => Promise<T>,
): Promise<T> {
  refuseEmbedded(target);
  const backup = await openBackup(path);
  await inReadOnlySession(knex, (session) => checkOrigin(session, backup.manifest));
  const wanted = choose(backup.manifest, written);
  return withSource(target, backup, signal, async (source) => {
    const isThere = (tables: readonly string[]) =>
      inReadOnlySession(knex, async (session) => new Set(await readPresent(session, tables)));
    const captured = await withKnex(source.schema, (pool) =>
      inSession(pool, (session) => captureSource(session, wanted, isThere), { onlyReads: true }),
    );
    return work(captured, source);
  });
}

/** A copy of a database carries its identity: its backups are of the same tables. */
async function checkOrigin(session: Session, { database, file }: Manifest): Promise<void> {
  if (!(await hasArchive(session))) return;
  const [place] = await session.read<{ identity: string; database_oid: string; system_identifier: string }>(
    `select p.identity, p.database_oid::text as database_oid, p.system_identifier from (${placeSql}) as p`,
  );
  if (place?.identity !== database.identity) {
    throw new UndropError('backup-unproved', {
      subject: file,
      message: `The backup ${file} is not of ${session.database}.`,
      reason: `It is of ${database.name}, a database with another identity.`,
      next: 'Connect to that one, or restore the backup into a new database with --into.',
    });
  }
  const same = place.database_oid === database.oid && place.system_identifier === database.systemIdentifier;
  if (!same)
    say(`The backup is of ${database.name}, of which ${session.database} is a copy, or which was one of it.`);
}

function choose({ tables, file }: Manifest, written: string): { schema: string; name: string } {
  const { schema, name } = parseTableName(written);
  const found = tables.filter(
    (table) => table.name === name && (schema === undefined || table.schema === schema),
  );
  const [table, ...others] = found;
  if (table !== undefined && others.length === 0) return table;
  throw new UndropError(table === undefined ? 'missing-table' : 'bad-options', {
    subject: written,
    message:
      table === undefined
        ? `The backup ${file} has no table ${written}.`
        : `The backup ${file} has several tables ${written}.`,
    reason:
      table === undefined
        ? 'It was not there when the backup was taken, or its name is another.'
        : `In the schemas ${found.map((one) => one.schema).join(', ')}.`,
    next: 'Name it with its schema, as the manifest beside the backup lists it.',
  });
}
