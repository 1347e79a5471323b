import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Ran, runCommand } from './command.ts';

export interface RunOptions {
  /** Added to an environment that says nothing of databases. */
  env?: Readonly<Record<string, string>>;
  /** Seen from the project. Default: the project itself. */
  cwd?: string;
  /** Default: 120 s. */
  timeout?: number;
}

/** A copy of this project with `.undrop`, `.env` and `backups` of its own, for commands run as a user runs them. */
export interface Project {
  readonly folder: string;
  /** `npx knex …`, less the 0.8 s of npx. */
  knex(args: string, options?: RunOptions): Promise<Ran>;
  /** `npm run …` */
  undrop(args: string, options?: RunOptions): Promise<Ran>;
  /** One that takes arguments with blanks in them. */
  undropWith(args: readonly string[], options?: RunOptions): Promise<Ran>;
  remove(): void;
}

const parts = ['decisions.json', 'knexfile.ts', 'migrations', 'package.json', 'scripts', 'seeds', 'src'];
const source = fileURLToPath(new URL('../..', import.meta.url));
const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

export function makeProject(): Project {
  const folder = mkdtempSync(join(tmpdir(), 'undrop-project-'));
  for (const part of parts) cpSync(join(source, part), join(folder, part), { recursive: true });
  symlinkSync(join(source, 'node_modules'), join(folder, 'node_modules'));
  const run = (script: string, args: readonly string[], options: RunOptions = {}) =>
    runScript(folder, [join(folder, script), ...args], options);
  return {
    folder,
    knex: (args, options) => run('node_modules/.bin/knex', args.split(' '), options),
    undrop: (args, options) => run('scripts/undrop.ts', args.split(' '), options),
    undropWith: (args, options) => run('scripts/undrop.ts', args, options),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function runScript(folder: string, args: readonly string[], options: RunOptions): Promise<Ran> {
  const { env = {}, cwd = '.', timeout } = options;
  const { PATH = '', HOME = folder, PG_DUMP } = process.env;
  const clean = { PATH, HOME, NO_COLOR: '1', NODE_OPTIONS: `--import=${loader}` };
  return runCommand(process.execPath, args, {
    cwd: join(folder, cwd),
    env: { ...clean, ...(PG_DUMP === undefined ? {} : { PG_DUMP }), ...env },
    timeout,
  });
}
