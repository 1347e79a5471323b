import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { UndropError } from '../../errors.ts';

export interface PgDump {
  /** The absolute path, or the value of PG_DUMP. */
  path: string;
  /** As printed by `--version`: `15.18 (Debian 15.18-0+deb12u1)`. */
  version: string;
  major: number;
}

/**
 * Finds a pg_dump for a server of this major version.
 *
 * @throws UndropError `backup-failed` if there is none, or only older ones
 */
export async function pgDumpFor(serverMajor: number, env: NodeJS.ProcessEnv = process.env): Promise<PgDump> {
  const pgDump = await findPgDump(env, serverMajor);
  if (pgDump.major >= serverMajor) return pgDump;
  throw new UndropError('backup-failed', {
    subject: pgDump.path,
    message: `${pgDump.path} has version ${pgDump.version}, but the server has version ${serverMajor}.`,
    reason: 'pg_dump cannot dump from a server with a newer major version.',
    next: howToInstall(serverMajor),
  });
}

/**
 * Finds pg_dump. If PG_DUMP is set, uses only that. Otherwise searches PATH and then the folders in which packages install
 * it, newest major version first, and returns the first one of major version `atLeast` or later, or else the first one.
 *
 * @throws UndropError `backup-failed` if there is none, or if PG_DUMP does not run
 */
export async function findPgDump(env: NodeJS.ProcessEnv = process.env, atLeast = 0): Promise<PgDump> {
  if (env.PG_DUMP) {
    const named = await readVersion(env.PG_DUMP);
    if (typeof named !== 'string') return named;
    throw new UndropError('backup-failed', {
      subject: 'PG_DUMP',
      message: `PG_DUMP is set to ${env.PG_DUMP}, which is not an executable pg_dump.`,
      reason: named,
      next: 'Set PG_DUMP to the path of a pg_dump program, or unset it.',
    });
  }
  let first: PgDump | undefined;
  for (const folder of [...pathFolders(env), ...(await packageFolders())]) {
    const path = join(folder, 'pg_dump');
    if (!(await isExecutable(path))) continue;
    const found = await readVersion(path);
    if (typeof found === 'string') continue;
    if (found.major >= atLeast) return found;
    first ??= found;
  }
  if (first) return first;
  throw new UndropError('backup-failed', {
    subject: 'pg_dump',
    message: 'No pg_dump was found.',
    reason: 'It is neither in PATH nor in a standard folder such as /usr/lib/postgresql/<version>/bin.',
    next: howToInstall(atLeast),
  });
}

/** Returns how to install a pg_dump of this major version. */
function howToInstall(major: number): string {
  const suffix = major > 0 ? `-${major}` : '';
  return `Install it (Debian: apt install postgresql-client${suffix}; macOS: brew install libpq), or set PG_DUMP to its path.`;
}

/** Runs the program with `--version`. Returns the program, or the reason for which it is not a usable pg_dump. */
async function readVersion(path: string): Promise<PgDump | string> {
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 10_000 });
    const version = /^pg_dump \(.*?\) ((\d+).*)$/m.exec(stdout);
    if (version) return { path, version: version[1] ?? '', major: Number(version[2]) };
    return `Its --version prints: ${stdout.trim().slice(0, 200) || 'nothing'}`;
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
