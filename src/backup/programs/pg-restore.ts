import { spawn } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { UndropError } from '../../errors.ts';
import type { Settings } from '../../knex/settings.ts';
import { findPgDump, type PgDump } from './find-pg-dump.ts';
import { childEnvironment } from './pg-dump.ts';

/** The program that reads what pg_dump has written: it lies beside it. */
export async function findPgRestore(pgDump?: PgDump): Promise<string> {
  const { path } = pgDump ?? (await findPgDump());
  return join(dirname(path), basename(path).replace('pg_dump', 'pg_restore'));
}

export interface PgRestoreOptions {
  /** Nothing secret: others on the machine can read them. */
  readonly args: readonly string[];
  /** The backup. */
  readonly file: string;
  /** The database that it is restored into; none where its output is read. */
  readonly into?: Settings | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** pg_restore at work: what it writes, and its end. */
export interface PgRestore {
  readonly output: Readable;
  /** Fails with `backup-unproved` where it does, with what it says, and never with the password. */
  readonly ended: Promise<void>;
}

/** Starts pg_restore. The one who asked must read the output to its end, or wait for the end alone. */
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
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-10_000);
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', (error) => reject(signal?.aborted ? signal.reason : missing(program, error)));
    child.once('close', (status, endedBy) => {
      process.off('exit', end);
      if (status === 0) return resolve();
      const text = words.trim() || `pg_restore ended with ${endedBy ?? status}.`;
      reject(failed(file, into?.password ? text.replaceAll(into.password, '***') : text));
    });
  });
  return { output: child.stdout as Readable, ended };
}

/** Else a name such as `a=b` would be taken for a whole connection string. */
function conninfo(database: string): string {
  return `dbname='${database.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function failed(file: string, words: string): UndropError {
  const role = /role "(.*)" does not exist/.exec(words)?.[1];
  if (role !== undefined) {
    return new UndropError('prerequisite-gone', {
      subject: role,
      message: `The backup ${file} cannot be restored there: the role ${role} is missing.`,
      reason: words,
      next: 'Make the roles of the other server first: pg_dumpall --roles-only prints them.',
    });
  }
  return new UndropError('backup-unproved', {
    subject: file,
    message: `The backup ${file} cannot be restored.`,
    reason: words,
    next: 'Where what it names lies in the place that it is restored to, mend that; else take another backup.',
  });
}

function missing(path: string, cause: Error): UndropError {
  return new UndropError('backup-failed', {
    subject: path,
    message: 'The backup cannot be read without pg_restore.',
    reason: cause.message,
    next: 'Install it beside pg_dump, as packages do, or set PG_DUMP to a pg_dump that has it; or use the plain format.',
    cause,
  });
}
