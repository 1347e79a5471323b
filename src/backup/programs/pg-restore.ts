import { spawn } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { UndropError } from '../../errors.ts';
import type { Settings } from '../../knex/settings.ts';
import { findPgDump, type PgDump } from './find-pg-dump.ts';
import { childEnvironment } from './pg-dump.ts';

/** Returns the path of the pg_restore in the folder of pg_dump. */
export async function findPgRestore(pgDump?: PgDump): Promise<string> {
  const { path } = pgDump ?? (await findPgDump());
  return join(dirname(path), basename(path).replace('pg_dump', 'pg_restore'));
}

export interface PgRestoreOptions {
  /** Must not contain secrets, since all users of the host can read them. */
  readonly args: readonly string[];
  /** The path of the backup. */
  readonly file: string;
  /** The database to restore into. Default: none, the SQL is written to the output. */
  readonly into?: Settings | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A running pg_restore. */
export interface PgRestore {
  readonly output: Readable;
  /** Rejects with `backup-unproved` if it fails, with its error messages and without the password. */
  readonly ended: Promise<void>;
}

/** Starts pg_restore. Without a database, the caller must read the output to its end. */
export function startPgRestore(program: string, { args, file, into, signal }: PgRestoreOptions): PgRestore {
  const connection =
    into === undefined ? ['--file=-'] : [`--dbname=${conninfo(into.database)}`, '--no-password'];
  const child = spawn(program, ['--exit-on-error', ...connection, ...args, file], {
    env: into === undefined ? { ...process.env, LC_ALL: 'C' } : childEnvironment(process.env, into),
    stdio: ['ignore', into === undefined ? 'pipe' : 'ignore', 'pipe'],
    ...(signal === undefined ? {} : { signal }),
  });
  const end = (): void => void child.kill();
  process.once('exit', end);
  let messages = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    messages = (messages + text).slice(-10_000);
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', (error) => reject(signal?.aborted ? signal.reason : missing(program, error)));
    child.once('close', (status, endedBy) => {
      process.off('exit', end);
      if (status === 0) return resolve();
      const text = messages.trim() || `pg_restore ended with ${endedBy ?? `exit code ${status}`}.`;
      reject(failed(file, into?.password ? text.replaceAll(into.password, '***') : text));
    });
  });
  return { output: child.stdout as Readable, ended };
}

/** Returns a connection string, since a bare name such as `a=b` would be parsed as one. */
function conninfo(database: string): string {
  return `dbname='${database.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function failed(file: string, messages: string): UndropError {
  return new UndropError('backup-unproved', {
    subject: file,
    message: `The backup ${file} cannot be restored.`,
    reason: messages,
    next: 'If the cause is the server that the backup is restored on, fix it there. Otherwise take another backup.',
  });
}

function missing(path: string, cause: Error): UndropError {
  return new UndropError('backup-failed', {
    subject: path,
    message: 'The backup cannot be read without pg_restore.',
    reason: cause.message,
    next: 'Install pg_restore in the folder of pg_dump, set PG_DUMP to a pg_dump that has it, or use the format plain.',
    cause,
  });
}
