import { spawn } from 'node:child_process';
import type { FileHandle } from 'node:fs/promises';
import { UndropError } from '../../errors.ts';
import { libpqVariables, type Settings } from '../../knex/settings.ts';
import type { PgDump } from './find-pg-dump.ts';
import { PgDumpWords } from './pg-dump-words.ts';

export interface PgDumpOptions {
  pgDump: PgDump;
  connection: Settings;
  /** Nothing secret: others on the machine can read them. */
  args: readonly string[];
  /** Takes what it writes to its standard output. */
  output: FileHandle | undefined;
  /** Told of each table that it begins with, as `schema.name`, where the arguments ask it to be verbose. */
  onTable?: (name: string) => void;
  /** Ends it. */
  signal?: AbortSignal;
  /** Default: that of this process. */
  env?: NodeJS.ProcessEnv;
}

/**
 * Runs pg_dump to its end.
 *
 * @throws UndropError `backup-failed`, with what pg_dump says of it and never with the password
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
    next: `Correct what it names and take the backup again; nothing is left of this one. It was ${pgDump.path}.`,
  });
}

/** Why it failed; undefined when it did not. */
function run({ pgDump, connection, args, output, onTable, signal, env }: PgDumpOptions) {
  return new Promise<string | undefined>((resolve) => {
    const words = new PgDumpWords(onTable);
    const child = spawn(pgDump.path, args, {
      env: childEnvironment(env ?? process.env, connection),
      stdio: ['ignore', output?.fd ?? 'ignore', 'pipe'],
      // A group of its own: Ctrl-C is for us, who end it and its workers.
      detached: process.platform !== 'win32',
    });
    const end = (): void => endGroup(child.pid);
    process.once('exit', end);
    signal?.addEventListener('abort', end);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => words.add(text));
    child.once('error', (error) => words.add(`${error.message}\n`));
    // Its workers would else go on to the end of their tables.
    child.once('exit', (status) => status === 0 || end());
    child.once('close', (status, endedBy) => {
      process.off('exit', end);
      signal?.removeEventListener('abort', end);
      if (status === 0) return resolve(undefined);
      resolve([...words.errors(), endOf(status, endedBy)].filter((line) => line !== '').join('\n'));
    });
  });
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? pid : -pid);
  } catch {
    // They have ended already.
  }
}

function endOf(status: number | null, signal: NodeJS.Signals | null): string {
  if (signal === 'SIGXFSZ') return 'It was ended by SIGXFSZ: the file is as large as ulimit -f allows.';
  if (signal !== null) return `It was ended by ${signal}.`;
  return status !== null && status >= 0 ? `It ended with exit code ${status}.` : '';
}

/** The connection and nothing else of libpq's, so that a PGSERVICE or PGHOSTADDR leads nowhere else. */
export function childEnvironment(env: NodeJS.ProcessEnv, connection: Settings): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !name.startsWith('PG') && name !== 'DATABASE_URL');
  const passfile = env.PGPASSFILE === undefined ? {} : { PGPASSFILE: env.PGPASSFILE };
  // Its words are read here, in English.
  const words = { PG_COLOR: 'never', LC_ALL: 'C' };
  return { ...Object.fromEntries(kept), ...passfile, ...words, ...libpqVariables(connection) };
}
