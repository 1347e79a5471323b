import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { compiledBuild } from './build.ts';
import { type Running, startCommand } from './command.ts';

/** A process that runs in the background of the test. */
export interface Started extends Omit<Running, 'ended'> {
  /** Its exit code; null if a signal ended it. */
  readonly ended: Promise<number | null>;
}

/** A folder with the project's knexfile and migrations of the test, in which commands run as real processes. */
export interface SmallProject {
  readonly folder: string;
  /** Writes a file into `migrations`. */
  migration(file: string, text: string): void;
  knex(command: string, url: string): Started;
  undrop(command: string, url: string): Started;
  /** Runs the source text of a module. */
  node(text: string, url: string): Started;
  remove(): void;
}

const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));
const knex = createRequire(import.meta.url).resolve('knex/bin/cli.js');
const build = compiledBuild();
const undrop = join(build, 'scripts/undrop.js');

/** The package as a migration imports it. */
export const packageUrl = pathToFileURL(join(build, 'src/index.js')).href;

export function makeSmallProject(): SmallProject {
  const folder = mkdtempSync(join(tmpdir(), 'undrop-small-'));
  mkdirSync(join(folder, 'migrations'));
  symlinkSync(modules, join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(
    join(folder, 'knexfile.js'),
    `import { undropConfig } from ${JSON.stringify(packageUrl)};
     export default undropConfig({ root: import.meta.dirname });`,
  );
  const start = (args: readonly string[], url: string): Started => {
    const env = { PATH: process.env.PATH, DATABASE_URL: url };
    const { ended, ...running } = startCommand(process.execPath, args, { cwd: folder, env });
    return { ...running, ended: ended.then(({ status }) => status) };
  };
  return {
    folder,
    migration: (file, text) => writeFileSync(join(folder, 'migrations', file), text),
    knex: (command, url) => start([knex, ...command.split(' ')], url),
    undrop: (command, url) => start([undrop, ...command.split(' ')], url),
    node: (text, url) => start(['--input-type=module', '--eval', text], url),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
