import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/*
 * The packages and bytes of a production install, compared with those of knex and pg alone. Needs the npm registry.
 */

const root = join(import.meta.dirname, '..');
const work = mkdtempSync(join(tmpdir(), 'undrop-install-'));
const npm = (folder: string, ...args: string[]) =>
  execFileSync('npm', [...args, '--silent'], { cwd: folder, encoding: 'utf8' }).trim();

interface Installed {
  readonly packages: number;
  readonly bytes: number;
  /** The bytes of each package, by path. */
  readonly sizes: ReadonlyMap<string, number>;
}

function install(name: string, packages: readonly string[]): Installed {
  const folder = join(work, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  npm(folder, 'install', '--omit=dev', '--no-audit', '--no-fund', '--prefer-offline', ...packages);
  const modules = join(folder, 'node_modules');
  const { packages: locked } = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8'));
  const sizes = new Map(Object.keys(locked).map((path) => [path, sizeOf(join(folder, path))]));
  return { packages: sizes.size, bytes: sizeOf(modules), sizes };
}

/** Returns the sum of the file sizes, not of the disk blocks. */
function sizeOf(path: string): number {
  const found = lstatSync(path);
  if (!found.isDirectory()) return found.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

const mb = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;

try {
  const tarball = join(work, npm(root, 'pack', '--pack-destination', work).split('\n').at(-1) ?? '');
  const plain = install('plain', ['knex', 'pg']);
  const ours = install('ours', [tarball, 'knex', 'pg']);
  console.log('| | packages | size |\n|---|---|---|');
  console.log(`| knex, pg | ${plain.packages} | ${mb(plain.bytes)} |`);
  console.log(`| knex, pg, knex-undrop | ${ours.packages} | ${mb(ours.bytes)} |`);
  const own = [...ours.sizes].filter(([path]) => !plain.sizes.has(path));
  for (const [path, bytes] of own.sort(([, a], [, b]) => b - a))
    console.log(`| of it ${path.replace('node_modules/', '')} | 1 | ${mb(bytes)} |`);
} finally {
  rmSync(work, { recursive: true });
}
