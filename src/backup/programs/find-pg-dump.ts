import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { UndropError } from '../../errors.ts';

export interface PgDump {
  /** Absolute, unless PG_DUMP says otherwise. */
  path: string;
  /** As it says it: `15.18 (Debian 15.18-0+deb12u1)`. */
  version: string;
  major: number;
}

/**
 * The user's own pg_dump, for a server of this major.
 *
 * @throws UndropError `backup-failed` where there is none, or where it is older than the server
 */
export async function pgDumpFor(serverMajor: number, env: NodeJS.ProcessEnv = process.env): Promise<PgDump> {
  const pgDump = await findPgDump(env, serverMajor);
  if (pgDump.major >= serverMajor) return pgDump;
  throw new UndropError('backup-failed', {
    subject: pgDump.path,
    message: `${pgDump.path} is of version ${pgDump.version}, the server of ${serverMajor}.`,
    reason: 'pg_dump refuses servers newer than itself.',
    next: howToInstall(serverMajor),
  });
}

/**
 * The user's own pg_dump: PG_DUMP, which is then the only one looked at; else the first of PATH and of the
 * folders where packages keep theirs (newest major first) that is of major `atLeast` or later; else simply the first.
 *
 * @throws UndropError `backup-failed` where there is none, or where PG_DUMP does not run
 */
export async function findPgDump(env: NodeJS.ProcessEnv = process.env, atLeast = 0): Promise<PgDump> {
  if (env.PG_DUMP) {
    const named = await ask(env.PG_DUMP);
    if (typeof named !== 'string') return named;
    throw new UndropError('backup-failed', {
      subject: 'PG_DUMP',
      message: `PG_DUMP names ${env.PG_DUMP}, which is no pg_dump that runs.`,
      reason: named,
      next: 'Set PG_DUMP to the path of a pg_dump program, or unset it.',
    });
  }
  let first: PgDump | undefined;
  for (const folder of [...pathFolders(env), ...(await packageFolders())]) {
    const path = join(folder, 'pg_dump');
    if (!(await isExecutable(path))) continue;
    const found = await ask(path);
    if (typeof found === 'string') continue;
    if (found.major >= atLeast) return found;
    first ??= found;
  }
  if (first) return first;
  throw new UndropError('backup-failed', {
    subject: 'pg_dump',
    message: 'No pg_dump was found.',
    reason: 'It is neither on PATH nor in a usual folder such as /usr/lib/postgresql/<version>/bin.',
    next: howToInstall(atLeast),
  });
}

/** What to do to have a pg_dump of this major. */
function howToInstall(major: number): string {
  const of = major > 0 ? `-${major}` : '';
  return `Install it (Debian: apt install postgresql-client${of}; macOS: brew install libpq), or set PG_DUMP to its path.`;
}

/** The program's version, or why it has none. */
async function ask(path: string): Promise<PgDump | string> {
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 10_000 });
    const version = /^pg_dump \(.*?\) ((\d+).*)$/m.exec(stdout);
    if (version) return { path, version: version[1] ?? '', major: Number(version[2]) };
    return `Asked for its version, it says: ${stdout.trim().slice(0, 200) || 'nothing'}`;
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error);
  }
}

function pathFolders(env: NodeJS.ProcessEnv): string[] {
  return (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
}

async function packageFolders(): Promise<string[]> {
  const debian = await versions('/usr/lib/postgresql', /^(\d+)$/);
  const redhat = await versions('/usr', /^pgsql-(\d+)$/);
  const homebrew = await versions('/opt/homebrew/opt', /^postgresql@(\d+)$/);
  return [...debian, ...redhat, ...homebrew, '/opt/homebrew/opt/libpq/bin', '/usr/local/opt/libpq/bin'];
}

async function versions(folder: string, name: RegExp): Promise<string[]> {
  const entries = await readdir(folder).catch(() => []);
  return entries
    .flatMap((entry) => ({ entry, major: Number(name.exec(entry)?.[1] ?? 0) }))
    .filter(({ major }) => major > 0)
    .sort((a, b) => b.major - a.major)
    .map(({ entry }) => join(folder, entry, 'bin'));
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
