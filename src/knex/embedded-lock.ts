import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UndropError } from '../errors.ts';

/**
 * Locks the folder for this process, with a file `lock` in it that holds the process ID. The lock of a process that no
 * longer exists is replaced.
 *
 * @returns a function that releases the lock, as does the end of the process
 * @throws UndropError `in-use` where another process holds the lock
 */
export function lockFolder(folder: string): () => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, 'lock');
  const mine = `${process.pid} ${startOf(process.pid)}\n`;
  while (!created(file, mine)) {
    const holder = read(file);
    if (isAlive(holder)) throw inUse(folder, file, holder);
    removeStale(file, holder);
  }
  const release = (): void => {
    process.off('exit', release);
    if (read(file) === mine) rmSync(file, { force: true });
  };
  process.on('exit', release);
  return release;
}

function created(file: string, text: string): boolean {
  // Written under another name first, so that no process reads an empty lock.
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, text);
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes a stale lock. Where another process has replaced it meanwhile, its lock is put back. */
function removeStale(file: string, holder: string): void {
  const aside = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, aside);
    if (read(aside) !== holder) linkSync(aside, file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function isAlive(holder: string): boolean {
  const [pid = 0, start = ''] = [Number.parseInt(holder, 10), holder.trim().split(' ')[1]];
  // This process locks a folder once, so a lock with its process ID is from an earlier process.
  if (!(pid > 0) || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return startOf(pid) === start;
}

/** The start time of a process on Linux. Process IDs are reused, in containers after every restart. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 'unknown';
  } catch {
    return 'unknown';
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function inUse(folder: string, file: string, holder: string): UndropError {
  const pid = Number.parseInt(holder, 10);
  return new UndropError('in-use', {
    subject: folder,
    message: `The embedded database in ${folder} is in use by process ${pid}.`,
    reason: 'Only one process at a time can use the embedded server; two would corrupt its data.',
    next: `Wait until process ${pid} has ended, or end it. If it does not use this folder, remove ${file}.`,
  });
}
