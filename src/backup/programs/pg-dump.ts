import { spawn } from 'node:child_process';
import type { FileHandle } from 'node:fs/promises';
import { isUndropError, UndropError } from '../../errors.ts';
import { libpqVariables, type Settings } from '../../knex/settings.ts';
import type { PgDump } from './find-pg-dump.ts';
import { PgDumpWords } from './pg-dump-words.ts';

export interface PgDumpOptions {
  pgDump: PgDump;
  connection: Settings;
  /** Must not contain secrets, since all users of the host can read them. */
  args: readonly string[];
  /** The file for its standard output. */
  output: FileHandle | undefined;
  /** Called with `schema.name` when the dump of a table begins. Requires `--verbose`. */
  onTable?: (name: string) => void;
  /** Stops it. */
  signal?: AbortSignal;
  /** Default: the environment of this process. */
  env?: NodeJS.ProcessEnv;
}

/**
 * Runs pg_dump until it ends.
 *
 * @throws UndropError `backup-failed`, with the error messages of pg_dump and without the password
 */
export async function runPgDump(options: PgDumpOptions): Promise<void> {
  const { pgDump, connection, signal } = options;
  signal?.throwIfAborted();
  const failure = await run(options);
  signal?.throwIfAborted();
  if (failure === undefined) return;
  const { database, password } = connection;
  throw new UndropError('backup-failed', {
    subject: database,
    message: `pg_dump could not dump ${database}.`,
    reason: password ? failure.replaceAll(password, '***') : failure,
    next: `Fix the cause and take the backup again. This one was removed. The program was ${pgDump.path}.`,
  });
}

/** Whether pg_dump failed as it locked a table. It prints the statement, but no SQLSTATE: it timed out, or no lock was left. */
export function couldNotLock(error: unknown): boolean {
  return isUndropError(error) && error.code === 'backup-failed' && error.reason.includes('LOCK TABLE');
}

/** Runs pg_dump. Returns why it failed, or undefined if it succeeded. */
function run({ pgDump, connection, args, output, onTable, signal, env }: PgDumpOptions) {
  return new Promise<string | undefined>((resolve) => {
    const messages = new PgDumpWords(onTable);
    const child = spawn(pgDump.path, args, {
      env: childEnvironment(env ?? process.env, connection),
      stdio: ['ignore', output?.fd ?? 'ignore', 'pipe'],
      // A process group of its own, so that Ctrl-C reaches only this process, which stops pg_dump and its workers.
      detached: process.platform !== 'win32',
    });
    const end = (): void => endGroup(child.pid);
    process.once('exit', end);
    signal?.addEventListener('abort', end);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => messages.add(text));
    child.once('error', (error) => messages.add(`${error.message}\n`));
    // Otherwise its workers would continue to the end of their tables.
    child.once('exit', (status) => status === 0 || end());
    child.once('close', (status, endedBy) => {
      process.off('exit', end);
      signal?.removeEventListener('abort', end);
      if (status === 0) return resolve(undefined);
      resolve([...messages.errors(), endOf(status, endedBy)].filter((line) => line !== '').join('\n'));
    });
  });
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? pid : -pid);
  } catch {
    // The processes have already ended.
  }
}

function endOf(status: number | null, signal: NodeJS.Signals | null): string {
  if (signal === 'SIGXFSZ')
    return 'pg_dump was terminated by SIGXFSZ: the file has reached the limit of ulimit -f.';
  if (signal !== null) return `pg_dump was terminated by ${signal}.`;
  return status !== null && status >= 0 ? `pg_dump exited with code ${status}.` : '';
}

/**
 * Returns the environment for a program of PostgreSQL: no variables of libpq but those of the connection, so that a
 * PGSERVICE or PGHOSTADDR cannot select another server.
 */
export function childEnvironment(env: NodeJS.ProcessEnv, connection: Settings): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !name.startsWith('PG') && name !== 'DATABASE_URL');
  const passfile = env.PGPASSFILE === undefined ? {} : { PGPASSFILE: env.PGPASSFILE };
  // The output is parsed here, so it must be in English.
  const language = { PG_COLOR: 'never', LC_ALL: 'C' };
  return { ...Object.fromEntries(kept), ...passfile, ...language, ...libpqVariables(connection) };
}
