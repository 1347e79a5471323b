import { stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { backupsSql } from '../archive.ts';
import { UndropError } from '../errors.ts';
import type { Table } from '../gate.ts';
import type { Options } from '../options.ts';
import type { Session } from '../session.ts';

interface BackupRow {
  id: number;
  age: number;
  host: string;
  file: string;
  bytes: string;
  proof: string;
  own: boolean;
  uncovered: string[];
}

const coveringSql = /* sql */ `
  select b.id, b.host, b.file, b.bytes::text as bytes, b.proof,
    extract(epoch from pg_catalog.clock_timestamp() - b.finished_at)::int as age,
    b.own,
    array(
      select t.name from pg_catalog.unnest($1::text[]) as t (name)
      where not b.tables @> pg_catalog.jsonb_build_array(t.name) order by t.name) as uncovered
  from (${backupsSql}) as b
  order by b.finished_at desc, b.id desc`;

/**
 * The newest backup that covers the tables, by its number in the archive; null where none is required.
 *
 * @throws UndropError `backup-missing`, `backup-unproved`
 */
export async function requireBackup(
  session: Session,
  tables: readonly Table[],
  options: Options,
): Promise<number | null> {
  if (options.backup === 'off') return null;
  const backups = await session.read<BackupRow>(coveringSql, [tables.map(({ sql }) => sql)]);
  const mine = backups.filter(({ own }) => own);
  const hours = options.backupMaxAgeSeconds / 3600;
  const good = mine.find(
    ({ age, uncovered }) => age <= options.backupMaxAgeSeconds && age >= 0 && uncovered.length === 0,
  );
  if (good === undefined) throw missing(session, options, hours, mine[0]);
  if (good.proof === 'off') throw unproved(good, 'It was taken without a proof.');
  if (good.host === hostname()) await lookAtFile(good);
  return good.id;
}

function missing(
  session: Session,
  options: Options,
  hours: number,
  newest: BackupRow | undefined,
): UndropError {
  let reason = `The archive in ${session.database} knows of no backup of this database.`;
  if (newest !== undefined) {
    reason =
      newest.uncovered.length > 0
        ? `The newest, ${newest.file}, does not hold ${newest.uncovered.join(', ')}.`
        : `The newest, ${newest.file}, is ${Math.floor(newest.age / 3600)} hours old; at most ${hours} are allowed.`;
  }
  return new UndropError('backup-missing', {
    subject: session.database,
    message: `${options.name} asks for a backup of ${session.database} that is not older than ${hours} hours.`,
    reason,
    next: 'Take one with npm run backup. To go on without: UNDROP_BACKUP=off',
  });
}

/** The file can be looked at where it was taken on this machine. */
async function lookAtFile(backup: BackupRow): Promise<void> {
  const found = await stat(backup.file).catch((error: NodeJS.ErrnoException) => error);
  if (found instanceof Error) throw unproved(backup, `The file cannot be read: ${found.message}`);
  if (String(found.size) !== backup.bytes) {
    throw unproved(backup, `The file has ${found.size} bytes; when it was proved it had ${backup.bytes}.`);
  }
}

function unproved(backup: BackupRow, reason: string): UndropError {
  return new UndropError('backup-unproved', {
    subject: backup.file,
    message: `The backup ${backup.file} cannot be relied on.`,
    reason,
    next: 'Take another one with npm run backup.',
  });
}
