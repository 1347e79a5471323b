import { existsSync, readFileSync, statfsSync } from 'node:fs';

const shared = '/dev/shm';

/**
 * Returns a folder in memory, if there is one with enough space in which programs may run. Creating a database copies
 * hundreds of files, which is slow on a disk.
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
