import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beginFolder, finishFolder, hashOfSources } from './build.ts';
import { type Ran, runCommand } from './command.ts';

const source = fileURLToPath(new URL('../..', import.meta.url));
// Folders that are not part of the project or are large, and the .npmrc, which a user does not have.
const left = new Set([
  ...['.env', '.git', '.npmrc', '.undrop', '.undrop-servers'],
  ...['backups', 'dist', 'node_modules', 'test'],
]);

/** Copies the files of this project that Git has, except the tests. */
export function copySources(folder: string): void {
  mkdirSync(folder, { recursive: true });
  cpSync(source, folder, { recursive: true, filter: (path) => path === source || !left.has(basename(path)) });
}

/** Builds a copy of this project in the folder, because other tests may use the build of the checkout. */
export async function buildCopy(folder: string, script = 'build'): Promise<void> {
  copySources(folder);
  symlinkSync(join(source, 'node_modules'), join(folder, 'node_modules'));
  await inFolder(folder, `npm run ${script}`);
}

/** Packs the project as it would be published, once for all processes. Returns the path of the file. */
export async function pack(): Promise<string> {
  const manifest = readFileSync(join(source, 'package.json'), 'utf8');
  const folder = join(
    packages,
    hashOfSources({
      folders: ['docs', 'stubs', 'examples'],
      files: ['package.json', 'tools/package.ts'],
    }),
  );
  const file = join(folder, `knex-undrop-${JSON.parse(manifest).version}.tgz`);
  if (existsSync(file)) return file;
  const copy = mkdtempSync(join(tmpdir(), 'undrop-packed-'));
  const fresh = beginFolder(folder);
  await buildCopy(copy, 'prepare');
  await inFolder(copy, `npm pack --ignore-scripts --silent --pack-destination ${fresh}`);
  rmSync(copy, { recursive: true });
  finishFolder(fresh, folder);
  return file;
}

const packages = join(source, 'node_modules/.cache/undrop-packed');

/** Installs as a user does, without steps that only take time. */
export function install(folder: string, packages: readonly string[]): Promise<Ran> {
  return inFolder(folder, `npm install --prefer-offline --no-audit --no-fund ${packages.join(' ')}`);
}

/** Runs a command as in a new terminal in the folder. Throws if it fails. */
export async function inFolder(folder: string, command: string, env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const ran = await tryInFolder(folder, command, env);
  if (ran.status !== 0) throw new Error(`${command} ended with ${ran.status}:\n${ran.text}`);
  return ran;
}

export function tryInFolder(folder: string, command: string, env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const [file = '', ...args] = command.split(' ');
  return runCommand(file, args, { cwd: folder, env: { ...terminal(), ...env } });
}

/** The environment without variables of npm and of databases. */
export function terminal(): NodeJS.ProcessEnv {
  const foreign =
    /^(npm_(?!config_)|npm_config_(call|local_prefix|node_options)|INIT_CWD|NODE_(ENV|OPTIONS)|DATABASE_URL|PG(?!_DUMP)|UNDROP_|APPROV|CODE_ROOTS|DEBUG|FORCE_COLOR)/;
  const rest = Object.entries(process.env).filter(([name]) => !foreign.test(name));
  const path = (process.env.PATH ?? '').split(delimiter).filter((one) => !one.includes('node_modules'));
  return { ...Object.fromEntries(rest), PATH: path.join(delimiter), NO_COLOR: '1' };
}
