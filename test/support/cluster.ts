import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inMemory } from './in-memory.ts';

/** https://www.postgresql.org/docs/current/app-pg-ctl.html */
export type StopMode = 'fast' | 'immediate';

/** A PostgreSQL server in a folder of its own. */
export interface Cluster {
  port: number;
  folder: string;
  /**
   * Restarts the server on the same port: `fast` after a checkpoint, `immediate` as after a
   * crash. With `native`, the same data is served by these binaries, which must be of the same major.
   */
  restart(mode?: StopMode, native?: string): void;
  /** Stops the server and removes its folder. */
  stop(): Promise<void>;
}

// PostgreSQL refuses to run as root; the user `nobody` exists on every Linux.
const asRoot = process.getuid?.() === 0;
const runAs = asRoot ? { uid: 65534, gid: 65534 } : {};

const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  shared_buffers: '16MB',
  max_connections: '50',
  max_prepared_transactions: '5',
  wal_level: 'logical', // otherwise every publication causes a warning
  autovacuum: 'off', // statistics and locks change only when a test changes them
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  timezone: 'UTC',
  // Such as de_DE.UTF-8, to see that no decision depends on the words of the server; the locale must be installed.
  lc_messages: process.env.UNDROP_TEST_MESSAGES ?? 'C',
};

// The shell outlives a killed test process, sees the end of its own standard input, and cleans up.
const keeper = /* sh */ `
  "$@" &
  cat >/dev/null
  kill -QUIT $! $(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) 2>/dev/null
  wait
  rm -rf "$0"
`;

/**
 * Creates a new cluster with server binaries and starts it on a free port of 127.0.0.1, superuser `postgres`, no
 * password. The server stops when this process ends, even if it is killed. Throws with the server's log if it does not
 * start.
 */
export async function startCluster(
  native: string,
  more: Readonly<Record<string, string>> = {},
): Promise<Cluster> {
  const folder = newFolder();
  try {
    placeBinaries(native, folder);
    initialise(folder);
    return await launch(folder, more);
  } catch (error) {
    command('rm', ['-rf', folder]);
    throw error;
  }
}

/** UNDROP_TEST_FOLDER is a folder that other users can read, where a caller removes what killed processes left behind. */
function newFolder(): string {
  const folder = process.env.UNDROP_TEST_FOLDER ?? inMemory() ?? (asRoot ? '/tmp' : tmpdir());
  return mkdtempSync(join(folder, 'undrop-test-'));
}

/**
 * Creates a hot standby from a running server. It receives later changes only with the setting `primary_conninfo`.
 */
export async function startStandby(
  primary: string,
  backup: { start(): Promise<void>; stop(): Promise<string> },
  more: Readonly<Record<string, string>> = {},
): Promise<Cluster> {
  const folder = newFolder();
  try {
    // A copy, or the same link: the primary may be removed first.
    command('cp', ['-RP', join(primary, 'native'), join(folder, 'native')]);
    await backup.start();
    copyLive(join(primary, 'data'), join(folder, 'data'));
    writeFileSync(join(folder, 'data/backup_label'), await backup.stop());
    copyLive(join(primary, 'data/pg_wal'), join(folder, 'data/pg_wal'));
    command('rm', ['-f', join(folder, 'data/postmaster.pid')]);
    writeFileSync(join(folder, 'data/standby.signal'), '');
    if (asRoot) command('chown', ['-R', `${runAs.uid}:${runAs.gid}`, folder]);
    return await launch(folder, more);
  } catch (error) {
    command('rm', ['-rf', folder]);
    throw error;
  }
}

/** Copies a folder of a running server, which may remove files meanwhile. They are then not needed. */
function copyLive(from: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: 0o700 });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, copy] = [join(from, entry.name), join(to, entry.name)];
    try {
      if (entry.isDirectory()) copyLive(source, copy);
      else cpSync(source, copy, { verbatimSymlinks: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

async function launch(folder: string, more: Readonly<Record<string, string>>): Promise<Cluster> {
  for (let tries = 1; ; tries++) {
    const port = await freePort();
    const stop = run(folder, port, more);
    const log = await started(folder);
    if (log === undefined) return { port, folder, restart: (...how) => restart(folder, ...how), stop };
    const taken = /could not bind/.test(log) && tries < 3;
    if (!taken) throw new Error(`PostgreSQL did not start:\n${log}`);
  }
}

function restart(folder: string, mode: StopMode = 'fast', native?: string): void {
  // Only the owner of the folder can read the log.
  const options = ['-D', join(folder, 'data'), '-l', join(folder, 'data/log'), '-w', '-t', '540', '-m', mode];
  const control = (...what: string[]): void =>
    command(join(folder, 'native/bin/pg_ctl'), [...what, ...options], folder);
  if (native !== undefined) {
    control('stop');
    command('rm', ['-rf', join(folder, 'native')]);
    placeBinaries(native, folder);
  }
  // pg_ctl restart reuses the previous options, and would otherwise reuse the previous binaries too.
  control('restart', '-p', join(folder, 'native/bin/postgres'));
}

/** Copies the binaries to `native` in the folder, where any user can run them. */
function placeBinaries(native: string, folder: string): void {
  if (existsSync(join(native, 'pg-symlinks.json'))) copyBinaries(native, folder);
  // The binaries of the system find their other files.
  else symlinkSync(native, join(folder, 'native'));
  if (asRoot) command('chown', ['-R', `${runAs.uid}:${runAs.gid}`, folder]);
}

function copyBinaries(native: string, folder: string): void {
  command('cp', ['-R', native, join(folder, 'native')]);
  // npm may be configured not to run install scripts, and the links to libraries are created by one.
  const links: { source: string; target: string }[] = JSON.parse(
    readFileSync(join(folder, 'native/pg-symlinks.json'), 'utf8'),
  );
  for (const { source, target } of links) {
    try {
      symlinkSync(basename(source), join(folder, target));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function initialise(folder: string): void {
  const options = ['--username=postgres', '--auth=trust', '--locale=C', '--encoding=UTF8', '--no-sync'];
  command(join(folder, 'native/bin/initdb'), ['-D', join(folder, 'data'), ...options], folder);
  const hba = join(folder, 'data/pg_hba.conf');
  // One role needs a password, for tests of wrong passwords; all others are trusted.
  writeFileSync(hba, `host all pw_user 127.0.0.1/32 scram-sha-256\n${readFileSync(hba, 'utf8')}`);
}

function run(folder: string, port: number, more: Readonly<Record<string, string>>): () => Promise<void> {
  const options = Object.entries({ ...settings, ...more, port }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  const postgres = [join(folder, 'native/bin/postgres'), '-D', join(folder, 'data'), ...options];
  const log = openSync(join(folder, 'log'), 'w');
  const child = spawn('/bin/sh', ['-c', keeper, folder, ...postgres], {
    ...runAs,
    cwd: folder,
    env: environment(folder),
    detached: true, // Ctrl-C ends only the tests; the server stops when they have ended
    stdio: ['pipe', log, log],
  });
  closeSync(log);
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.unref();
  return () => {
    child.ref();
    child.stdin?.end();
    return gone;
  };
}

/** Waits until the server accepts connections, which it writes into its PID file. Returns its log if it failed. */
async function started(folder: string): Promise<string | undefined> {
  for (const end = Date.now() + 300_000; Date.now() < end; await sleep(20)) {
    const log = readFileSync(join(folder, 'log'), 'utf8');
    if (/^(ready|standby)/.test(readState(folder))) return undefined;
    if (/FATAL|: not found|error while loading/.test(log)) return log;
  }
  return `not ready after 300 s\n${readFileSync(join(folder, 'log'), 'utf8')}`;
}

/** Returns the eighth line of the PID file, in which `pg_ctl` too looks for the state; empty if there is none. */
function readState(folder: string): string {
  try {
    return readFileSync(join(folder, 'data/postmaster.pid'), 'utf8').split('\n')[7] ?? '';
  } catch (error) {
    // Not written yet, or removed by a server that could not start.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return '';
  }
}

function command(path: string, args: string[], runIn?: string): void {
  const user = runIn === undefined ? {} : { ...runAs, cwd: runIn, env: environment(runIn) };
  const result = spawnSync(path, args, { encoding: 'utf8', ...user });
  if (result.status !== 0)
    throw result.error ?? new Error(`${path} failed:\n${result.stdout}${result.stderr}`);
}

function environment(folder: string): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: folder, LC_ALL: 'C' };
}

/**
 * Below the ports that the system gives to clients: one of those could be taken while the server is restarted.
 * https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html (ip_local_port_range)
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 16_384 + Math.floor(Math.random() * 16_384);
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer().once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}
