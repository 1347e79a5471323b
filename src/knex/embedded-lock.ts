import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UndropError } from '../errors.ts';

/**
 * Takes the folder for this process, by a file `lock` in it that says which process has it. The file of a
 * process that is dead is taken over.
 *
 * @returns what lets go of it; the end of the process does, too
 * @throws UndropError `in-use` where another process has it
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
  // Written elsewhere first: nobody must ever read a lock that is still empty.
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

/** Of two processes that find the same stale lock, the slower one must not remove the lock of the faster. */
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
  // This process asks once a folder: a lock with its number is one of an earlier process.
  if (!(pid > 0) || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return startOf(pid) === start;
}

/** Numbers of processes come again, in containers after every restart: Linux says when each one began. */
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
    reason: 'The embedded server takes one process at a time; two would destroy its data.',
    next: `Wait until process ${pid} has ended, or end it. If it never used this folder, remove ${file}.`,
  });
}
