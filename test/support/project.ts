import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { compiledBuild } from './build.ts';
import { type Ran, runCommand } from './command.ts';

export interface RunOptions {
  /** Added to an environment without variables of databases. */
  env?: Readonly<Record<string, string>>;
  /** Relative to the project. Default: the project itself. */
  cwd?: string;
}

/** A copy of this project with `.undrop`, `.env` and `backups` of its own, for commands run as a user runs them. */
export interface Project {
  readonly folder: string;
  /** `npx knex …`, without the 0.8 s that npx takes. */
  knex(args: string, options?: RunOptions): Promise<Ran>;
  /** `npm run …` */
  undrop(args: string, options?: RunOptions): Promise<Ran>;
  /** Runs a command whose arguments may contain spaces. */
  undropWith(args: readonly string[], options?: RunOptions): Promise<Ran>;
  remove(): void;
}

const source = fileURLToPath(new URL('../..', import.meta.url));
const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

/** @param kind `sources` run by tsx, as in a checkout; or the compiled `build`, which starts in half the time */
export function makeProject(kind: 'build' | 'sources' = 'build'): Project {
  const folder = mkdtempSync(join(tmpdir(), 'undrop-project-'));
  const [code, extension] = kind === 'build' ? [compiledBuild(), 'js'] : [source, 'ts'];
  for (const part of [`knexfile.${extension}`, 'migrations', 'scripts', 'seeds', 'src'])
    cpSync(join(code, part), join(folder, part), { recursive: true });
  cpSync(join(source, 'decisions.json'), join(folder, 'decisions.json'));
  const packageJson = readFileSync(join(source, 'package.json'), 'utf8');
  writeFileSync(join(folder, 'package.json'), packageJson.replaceAll('undrop.ts', `undrop.${extension}`));
  symlinkSync(join(source, 'node_modules'), join(folder, 'node_modules'));
  const nodeOptions = kind === 'build' ? '' : `--import=${loader}`;
  const run = (script: string, args: readonly string[], options: RunOptions = {}) =>
    runScript(folder, [join(folder, script), ...args], nodeOptions, options);
  return {
    folder,
    knex: (args, options) => run('node_modules/.bin/knex', args.split(' '), options),
    undrop: (args, options) => run(`scripts/undrop.${extension}`, args.split(' '), options),
    undropWith: (args, options) => run(`scripts/undrop.${extension}`, args, options),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function runScript(
  folder: string,
  args: readonly string[],
  nodeOptions: string,
  options: RunOptions,
): Promise<Ran> {
  const { env = {}, cwd = '.' } = options;
  const { PATH = '', HOME = folder, PG_DUMP } = process.env;
  const clean = { PATH, HOME, NO_COLOR: '1', NODE_OPTIONS: nodeOptions };
  return runCommand(process.execPath, args, {
    cwd: join(folder, cwd),
    env: { ...clean, ...(PG_DUMP === undefined ? {} : { PG_DUMP }), ...env },
  });
}
