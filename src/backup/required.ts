import { stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { backupsSql } from '../archive-schema.ts';
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
    extract(epoch from pg_catalog.clock_timestamp() - b.finished_at)::float8 as age,
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
  const good = mine.find(
    ({ age, uncovered }) => age <= options.backupMaxAgeSeconds && age >= 0 && uncovered.length === 0,
  );
  if (good === undefined) throw missing(session, options, mine[0]);
  if (good.proof === 'off') throw unproved(good, 'It was taken without a proof.');
  if (good.host === hostname()) await lookAtFile(good);
  return good.id;
}

function missing(session: Session, options: Options, newest: BackupRow | undefined): UndropError {
  const allowed = duration(options.backupMaxAgeSeconds);
  return new UndropError('backup-missing', {
    subject: session.database,
    message: `${options.name} asks for a backup of ${session.database} that is not older than ${allowed}.`,
    reason:
      newest === undefined
        ? `The archive in ${session.database} knows of no backup of this database.`
        : `The newest, ${newest.file}, ${whyNot(newest, allowed)}.`,
    next: 'Take one with npm run backup. To go on without: UNDROP_BACKUP=off',
  });
}

function whyNot({ age, uncovered }: BackupRow, allowed: string): string {
  if (uncovered.length > 0) return `does not hold ${uncovered.join(', ')}`;
  if (age < 0) return 'is of a time to come: the clock of the server has been set back since';
  return `is ${duration(age)} old; at most ${allowed} are allowed`;
}

/** Rounded down to a unit in which it is no small number. */
function duration(seconds: number): string {
  if (seconds < 120) return `${Math.floor(seconds)} seconds`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)} minutes` : `${Math.floor(seconds / 3600)} hours`;
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
