import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { UndropError } from '../errors.ts';
import { quoteName } from '../name.ts';
import { type DumpContents, readDump, tableKey } from './dump-reader.ts';
import { findPgDump, type PgDump } from './find-pg-dump.ts';
import type { BackupFormat } from './pg-dump.ts';

/**
 * Reads a backup from its first byte to its last, and checks that it is whole and creates the expected tables. A
 * custom one is unpacked by pg_restore, rows included; nothing is written anywhere.
 *
 * @param pgDump the one that wrote it, since pg_restore must not be older; default: the one that is found first
 * @throws UndropError `backup-unproved`, naming all missing tables; `backup-failed` where there is no pg_restore
 */
export async function proveContents(
  file: string,
  { format, compressed }: { format: BackupFormat; compressed: boolean },
  expectedTables: readonly { schema: string; name: string }[],
  pgDump?: PgDump,
): Promise<void> {
  const contents =
    format === 'plain'
      ? await readPlain(file, compressed)
      : await readCustom(file, pgRestoreBeside(pgDump ?? (await findPgDump())));
  const missing = expectedTables.filter((table) => !contents.tables.has(tableKey(table)));
  if (!contents.complete)
    throw unproved(file, 'It ends in the middle: the last line of pg_dump is not there.');
  if (missing.length === 0) return;
  const names = missing.map(({ schema, name }) => `${quoteName(schema)}.${quoteName(name)}`);
  throw unproved(file, `It does not create ${names.join(', ')}.`);
}

async function readPlain(file: string, compressed: boolean): Promise<DumpContents> {
  const bytes = createReadStream(file);
  const text = compressed ? pipeline(bytes, createGunzip(), () => undefined) : bytes;
  return readDump(text).catch((error: Error) => {
    throw unproved(file, error.message);
  });
}

async function readCustom(file: string, pgRestore: string): Promise<DumpContents> {
  const child = spawn(pgRestore, ['--file=-', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-10_000);
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', (error) => reject(noPgRestore(pgRestore, error)));
    child.once('close', (status, signal) => {
      if (status === 0) return resolve();
      reject(unproved(file, words.trim() || `pg_restore ended with ${signal ?? status}.`));
    });
  });
  const [contents] = await Promise.all([readDump(child.stdout), ended]);
  return contents;
}

function pgRestoreBeside({ path }: PgDump): string {
  return join(dirname(path), basename(path).replace('pg_dump', 'pg_restore'));
}

function unproved(file: string, reason: string): UndropError {
  return new UndropError('backup-unproved', {
    subject: file,
    message: `The backup ${file} does not hold what it should.`,
    reason,
    next: 'Take another one with npm run backup, and keep this one until that is proved.',
  });
}

function noPgRestore(path: string, cause: Error): UndropError {
  return new UndropError('backup-failed', {
    subject: path,
    message: 'The backup cannot be proved without pg_restore.',
    reason: cause.message,
    next: 'Install it beside pg_dump, as packages do, or set PG_DUMP to a pg_dump that has it; or use the plain format.',
    cause,
  });
}
