import { spawn } from 'node:child_process';
import type { FileHandle } from 'node:fs/promises';
import { UndropError } from '../errors.ts';
import { libpqVariables, type Settings } from '../knex/settings.ts';
import { writeWhole } from './backup-file.ts';
import { findPgDump, howToInstall, type PgDump } from './find-pg-dump.ts';

/** A file or a folder that pg_restore reads, or SQL that psql reads. */
export type BackupFormat = 'custom' | 'directory' | 'plain';

export interface PgDumpOptions {
  connection: Settings;
  /** Major version of the server, for example 15. */
  serverMajor: number;
  /** Where the backup goes; nothing of that name may be there. */
  file: string;
  format: BackupFormat;
  /** More arguments, for example `--exclude-schema=undrop`. Nothing secret: others on the machine can read them. */
  args?: readonly string[];
  /** Told about once a second how many bytes are written. */
  onProgress?: (bytes: number) => void;
  /** For PG_DUMP and PATH. Default: that of this process. */
  env?: NodeJS.ProcessEnv;
}

export interface BackupFile {
  file: string;
  bytes: number;
  /** In hexadecimal digits. */
  sha256: string;
  pgDumpVersion: string;
  seconds: number;
  /** The program that wrote it; pg_restore is beside it. */
  pgDump: PgDump;
}

/**
 * Dumps a database with the user's own pg_dump, all or nothing: `file` is there only if pg_dump succeeded.
 *
 * @throws UndropError `backup-failed`, with pg_dump's last lines and never with the password
 */
export async function runPgDump(options: PgDumpOptions): Promise<BackupFile> {
  const { connection, serverMajor, file, format, args = [], onProgress, env = process.env } = options;
  const pgDump = await findPgDump(env, serverMajor);
  if (pgDump.major < serverMajor) throw tooOld(pgDump, serverMajor);
  const start = performance.now();
  const written = await writeWhole(file, async (handle) => {
    const timer = setInterval(async () => onProgress?.((await handle.stat()).size), 1000);
    const all = ['--no-password', `--format=${format}`, ...args];
    const failure = await run(pgDump, all, childEnvironment(env, connection), handle).finally(() =>
      clearInterval(timer),
    );
    if (failure !== undefined) throw failed(connection, pgDump, failure);
  });
  const seconds = (performance.now() - start) / 1000;
  return { file, ...written, pgDumpVersion: pgDump.version, seconds, pgDump };
}

/** Why it failed; undefined when it did not. */
function run(
  pgDump: PgDump,
  args: string[],
  env: NodeJS.ProcessEnv,
  output: FileHandle,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(pgDump.path, args, { env, stdio: ['ignore', output.fd, 'pipe'] });
    const killed = (): void => void child.kill();
    process.once('exit', killed);
    let words = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(-10_000);
    });
    child.once('error', (error) => resolve(error.message));
    child.once('close', (status, signal) => {
      process.off('exit', killed);
      if (status === 0) return resolve(undefined);
      const end = signal ? `It was ended by ${signal}.` : `It ended with exit code ${status}.`;
      const last = words.trim().split('\n').slice(-5).join('\n');
      resolve(last === '' ? end : `${last}\n${end}`);
    });
  });
}

/** The connection and nothing else of libpq's, so that a PGSERVICE or PGHOSTADDR leads nowhere else. */
function childEnvironment(env: NodeJS.ProcessEnv, connection: Settings): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !name.startsWith('PG') && name !== 'DATABASE_URL');
  const passfile = env.PGPASSFILE === undefined ? {} : { PGPASSFILE: env.PGPASSFILE };
  return { ...Object.fromEntries(kept), ...passfile, PG_COLOR: 'never', ...libpqVariables(connection) };
}

function failed({ database, password }: Settings, pgDump: PgDump, words: string): UndropError {
  return new UndropError('backup-failed', {
    subject: database,
    message: `pg_dump could not dump ${database}.`,
    reason: password ? words.replaceAll(password, '***') : words,
    next: `Correct what it names and take the backup again; nothing is left of this one. It was ${pgDump.path}.`,
  });
}

function tooOld(pgDump: PgDump, serverMajor: number): UndropError {
  return new UndropError('backup-failed', {
    subject: pgDump.path,
    message: `${pgDump.path} is of version ${pgDump.version}, the server of ${serverMajor}.`,
    reason: 'pg_dump refuses servers newer than itself.',
    next: howToInstall(serverMajor),
  });
}
