import { existsSync, readFileSync, statfsSync } from 'node:fs';

const shared = '/dev/shm';

/**
 * A folder whose files stay in memory, where there is one with room in which programs may run: to make a database is to
 * copy hundreds of files, which a disk soon falls behind with.
 */
export function inMemory(): string | undefined {
  return existsSync(shared) && freeBytes() > 4 * 2 ** 30 && mayRunPrograms() ? shared : undefined;
}

function freeBytes(): number {
  const { bavail, bsize } = statfsSync(shared);
  return bavail * bsize;
}

function mayRunPrograms(): boolean {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '));
  const options = mounts.find(([, path]) => path === shared)?.[3];
  return options !== undefined && !options.split(',').includes('noexec');
}
