import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';

/**
 * Returns the files below a folder that Git tracks, and the files that it neither tracks nor ignores, as paths relative
 * to the folder. Returns undefined if all files are to be read: the folder is not in a repository, is ignored as a
 * whole, or Git is missing or refuses to read the repository.
 */
export function listByGit(folder: string): string[] | undefined {
  if (run(dirname(folder), 'check-ignore', '--quiet', folder).status === 0) return undefined;
  const { status, stdout } = run(folder, ...['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  if (status !== 0) return undefined;
  // A repository inside this one has a slash at its end.
  const paths = stdout
    .toString()
    .split('\0')
    .map((path) => path.replace(/\/$/, ''));
  return [...new Set(paths)].filter((path) => path !== '').sort();
}

function run(folder: string, ...args: readonly string[]) {
  const { PATH, HOME } = process.env;
  // Without the variables that hooks of Git set. The setting fsmonitor names a program that would be run.
  return spawnSync('git', ['-C', folder, '-c', 'core.fsmonitor=false', ...args], {
    env: { PATH, HOME, LC_ALL: 'C' },
    maxBuffer: 2 ** 30,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}
