import {
  linkSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UndropError } from '../errors.ts';
import { say } from '../text/log.ts';

/** A holder that this process cannot see shows that it is alive by changing the time of its lock. In milliseconds. */
export interface Pace {
  readonly beat: number;
  readonly silence: number;
}

const usual: Pace = { beat: 1_000, silence: 10_000 };

/**
 * Locks the folder for this process, with a file `lock` in it that holds the process ID, host, boot and PID namespace. The
 * lock of a process that no longer exists is replaced: it is known at once where process IDs have the same meaning, else,
 * as in another container, after ten seconds in which its time does not change.
 *
 * @param lost is called if another process has replaced the lock
 * @param pace must be that of the other processes
 * @returns a function that releases the lock, as does the end of the process
 * @throws UndropError `in-use` where another process holds the lock
 */
export async function lockFolder(folder: string, lost: () => void, pace: Pace = usual): Promise<() => void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, 'lock');
  const mine = `${process.pid} ${startOf(process.pid)} ${place()}\n`;
  while (!created(file, mine)) {
    const holder = read(file);
    if (await isHeld(file, holder, pace)) throw inUse(folder, file, holder);
    removeStale(file, holder);
  }
  const timer = setInterval(() => {
    if (read(file) === mine) return touch(file);
    release();
    lost();
  }, pace.beat).unref();
  const release = (): void => {
    clearInterval(timer);
    process.off('exit', release);
    if (read(file) === mine) rmSync(file, { force: true });
  };
  process.on('exit', release);
  return release;
}

/** Where a process ID has the same meaning: the host, its boot, and the PID namespace. */
function place(): string {
  const boot = attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  const namespace = attempt(() => readlinkSync('/proc/self/ns/pid'));
  return `${hostname()} ${boot} ${namespace}`;
}

function attempt(look: () => string): string {
  try {
    return look();
  } catch {
    return 'unknown';
  }
}

async function isHeld(file: string, holder: string, { beat, silence }: Pace): Promise<boolean> {
  const [, , ...where] = holder.trim().split(' ');
  // Earlier versions wrote no place.
  if (where.length === 0 || where.join(' ') === place()) return isAlive(holder);
  say(`Waiting ${silence / 1000} s to see whether ${file} is in use on ${where[0]}`);
  const before = timeOf(file);
  for (const end = performance.now() + silence; performance.now() < end; await sleep(beat / 2)) {
    if (timeOf(file) !== before) return read(file) !== '';
  }
  return false;
}

function timeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function touch(file: string): void {
  const now = new Date();
  utimesSync(file, now, now);
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
  return attempt(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 'unknown';
  });
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
  const [pid, , host = hostname()] = holder.split(' ');
  const user = `process ${pid}${holder.includes(` ${place()}`) ? '' : ` on ${host}`}`;
  return new UndropError('in-use', {
    subject: folder,
    message: `The embedded database in ${folder} is in use by ${user}.`,
    reason: 'Only one process at a time can use the embedded server; two would corrupt its data.',
    next: `Wait until ${user} has ended, or end it. If it does not use this folder, remove ${file}.`,
  });
}
