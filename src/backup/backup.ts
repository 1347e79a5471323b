import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Knex } from 'knex';
import { ensureArchive, placeSql } from '../archive-schema.ts';
import { UndropError } from '../errors.ts';
import type { Target } from '../knex/connection.ts';
import { inSession } from '../session.ts';
import { uniqueBackupName, writeWhole } from './backup-file.ts';
import { look } from './look.ts';
import { type BackupFormat, runPgDump } from './pg-dump.ts';
import { proveContents } from './proof.ts';

export interface BackupOptions {
  /** Made, closed to others, where it is missing. */
  folder: string;
  /** Default `custom`; the embedded server has only `plain`. */
  format?: BackupFormat | undefined;
  /** Told about once a second how many bytes are written. */
  onProgress?: (bytes: number) => void;
}

/** A backup that is on disk, proved and recorded. */
export interface Backup {
  readonly id: number;
  readonly file: string;
  readonly format: BackupFormat;
  readonly bytes: number;
  readonly sha256: string;
  readonly seconds: number;
  readonly pgDumpVersion: string;
  /** How many tables it holds, beside those of the archive. */
  readonly tables: number;
  readonly proof: 'contents';
}

const extensions: Readonly<Record<BackupFormat, string>> = { custom: 'dump', directory: 'dir', plain: 'sql' };

/**
 * Dumps the whole database, reads the file to its end to see that it creates every table, and records it in the
 * archive with what there was by name, which is what `requireBackup` and `verify` go by.
 *
 * @throws UndropError `backup-failed`, `backup-unproved`, `insufficient-privilege`
 */
export async function backup(knex: Knex, target: Target, options: BackupOptions): Promise<Backup> {
  const found = await inSession(knex, async (session) => {
    await ensureArchive(session);
    return look(session);
  });
  const format = options.format ?? (target.embedded === undefined ? 'custom' : 'plain');
  // Whoever looks for it later may stand in another folder.
  const file = await uniqueBackupName(resolve(options.folder), extensions[format]);
  const written = await write(target, file, format, found.serverMajor, options.onProgress);
  await proveContents(file, { format, compressed: false }, found.tables, written.pgDump);
  const { pgDumpVersion, bytes, sha256, seconds } = written;
  const tables = found.tables.map(({ sql }) => sql);
  const [row] = await inSession(knex, (session) =>
    session.write<{ id: string }>(recordSql, [
      ...[hostname(), file, format, bytes, sha256, pgDumpVersion, session.server.version],
      ...[JSON.stringify(tables), JSON.stringify(found.objects)],
    ]),
  );
  const { length } = found.tables.filter(({ schema }) => schema !== 'undrop');
  return {
    id: Number(row?.id),
    file,
    format,
    bytes,
    sha256,
    seconds,
    pgDumpVersion,
    tables: length,
    proof: 'contents',
  };
}

const recordSql = /* sql */ `
  insert into undrop.backups
    (host, file, format, bytes, sha256, proof, pg_dump_version, server_version, tables, objects,
     database, database_oid, system_identifier, identity)
  select $1, $2, $3, $4, $5, 'contents', $6, $7, $8, $9,
    p.database, p.database_oid, p.system_identifier, p.identity
  from (${placeSql}) as p
  returning id`;

async function write(
  { settings, embedded }: Target,
  file: string,
  format: BackupFormat,
  serverMajor: number,
  onProgress: BackupOptions['onProgress'],
) {
  if (embedded === undefined) {
    const progress = onProgress === undefined ? {} : { onProgress };
    return runPgDump({ connection: settings, serverMajor, file, format, ...progress });
  }
  if (format !== 'plain') throw onlyPlain(format);
  const start = performance.now();
  const text = await embedded.dump();
  const whole = await writeWhole(file, async (handle) => {
    await handle.writeFile(text);
  });
  const seconds = (performance.now() - start) / 1000;
  return { ...whole, seconds, pgDumpVersion: `${serverMajor} (PGlite)`, pgDump: undefined };
}

function onlyPlain(format: BackupFormat): UndropError {
  return new UndropError('bad-options', {
    subject: '--format',
    message: `The embedded server cannot write a backup in the format ${format}.`,
    reason: 'Its own pg_dump writes SQL only.',
    next: 'Leave out --dump-format, or set DATABASE_URL to a PostgreSQL server.',
  });
}
