import { spawn } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { UndropError } from '../errors.ts';
import type { PgDump } from './find-pg-dump.ts';

export interface PgRestoreOptions {
  /** Nothing secret: others on the machine can read them. */
  readonly args: readonly string[];
  /** Default: that of this process. */
  readonly env?: NodeJS.ProcessEnv;
  /** Ends it; what it carries is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs the pg_restore that came with a pg_dump, and gives what it writes as it writes it.
 *
 * @throws Error with its last words where it fails; UndropError `backup-failed` where there is none
 */
export async function* runPgRestore(
  pgDump: PgDump,
  { args, env = process.env, signal }: PgRestoreOptions,
): AsyncGenerator<Buffer> {
  signal?.throwIfAborted();
  const path = join(dirname(pgDump.path), basename(pgDump.path).replace('pg_dump', 'pg_restore'));
  const child = spawn(path, args, { env: { ...env, LC_ALL: 'C' }, stdio: ['ignore', 'pipe', 'pipe'] });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-10_000);
  });
  const failure = new Promise<Error | undefined>((resolve) => {
    child.once('error', (error) => resolve(noPgRestore(path, error)));
    child.once('close', (status, by) => {
      resolve(status === 0 ? undefined : new Error(words.trim() || `pg_restore ended with ${by ?? status}.`));
    });
  });
  const end = (): void => void child.kill();
  process.once('exit', end);
  signal?.addEventListener('abort', end);
  try {
    yield* child.stdout;
    const error = await failure;
    signal?.throwIfAborted();
    if (error !== undefined) throw error;
  } finally {
    process.off('exit', end);
    signal?.removeEventListener('abort', end);
    end();
  }
}

function noPgRestore(path: string, cause: Error): UndropError {
  return new UndropError('backup-failed', {
    subject: path,
    message: 'The backup cannot be read without pg_restore.',
    reason: cause.message,
    next: 'Install it beside pg_dump, as packages do, or set PG_DUMP to a pg_dump that has it; or use the plain format.',
    cause,
  });
}
