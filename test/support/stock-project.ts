import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compiledBuild } from './build.ts';
import type { Ran } from './command.ts';
import { tryInFolder } from './packed.ts';

/** A user's project, with the built package in node_modules and an ordinary knexfile. */
export interface StockProject {
  readonly folder: string;
  write(path: string, text: string): void;
  run(command: string, env: NodeJS.ProcessEnv): Promise<Ran>;
  remove(): void;
}

const require = createRequire(import.meta.url);
const source = fileURLToPath(new URL('../..', import.meta.url));

export function makeStockProject(): StockProject {
  const folder = mkdtempSync(join(tmpdir(), 'undrop-stock-'));
  const modules = join(folder, 'node_modules');
  const home = join(folder, 'package');
  cpSync(compiledBuild(), join(home, 'dist'), { recursive: true });
  writeFileSync(join(home, 'dist/index.mjs'), `export * from './src/index.js';\n`);
  chmodSync(join(home, 'dist/scripts/undrop.js'), 0o755);
  cpSync(join(source, 'package.json'), join(home, 'package.json'));
  symlinkSync(join(source, 'node_modules'), join(home, 'node_modules'));
  mkdirSync(join(modules, '.bin'), { recursive: true });
  symlinkSync('../package', join(modules, 'knex-undrop'));
  mkdirSync(join(folder, 'migrations'));
  for (const name of ['knex', 'pg']) symlinkSync(folderOf(name), join(modules, name));
  symlinkSync('../knex/bin/cli.js', join(modules, '.bin/knex'));
  symlinkSync('../knex-undrop/dist/scripts/undrop.js', join(modules, '.bin/undrop'));
  const write = (path: string, text: string) => writeFileSync(join(folder, path), text);
  write('package.json', '{ "private": true, "type": "module" }');
  write('knexfile.js', `export default { client: 'pg', connection: process.env.DATABASE_URL };\n`);
  return {
    folder,
    write,
    run: (command, env) => tryInFolder(folder, command, env),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function folderOf(name: string): string {
  return dirname(require.resolve(`${name}/package.json`));
}
