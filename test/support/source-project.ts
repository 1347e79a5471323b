import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { importModule } from '../../src/migration/import-module.ts';
import type { ReversibleDrop } from '../../src/migration/reversible-drop.ts';
import type { DropOptions } from '../../src/options/options.ts';
import { onEmbedded } from './server.ts';
import { skip } from './skip.ts';

/** A user's project whose migrations run in this process, on the sources of this package. */
interface SourceProject {
  readonly folder: string;
  path(file: string): string;
  /** Creates its folder too. */
  write(file: string, text: string): void;
  /** Writes a migration in the folder `migrations` that drops tables. */
  migration(name: string, options: DropOptions): void;
  /** Imports a migration. */
  load(file: string): Promise<ReversibleDrop>;
  read(file: string): string;
  /** The files of a folder, sorted; none if it does not exist. */
  list(folder: string): string[];
}

const index = new URL('../../src/index.ts', import.meta.url).href;

/** Creates a project before each test of this suite, which is the current folder during the test. */
export function useProject(): SourceProject {
  let made: { folder: string; outside: string } | undefined;
  const folder = () => {
    if (made === undefined) throw new Error('The project is used outside of a test.');
    return made.folder;
  };
  const path = (file: string) => join(folder(), file);
  const write = (file: string, text: string) => {
    mkdirSync(dirname(path(file)), { recursive: true });
    writeFileSync(path(file), text);
  };
  before('look at the server', function () {
    // It starts its databases in advance, in threads that load tsx from the current folder.
    if (onEmbedded) skip(this, 'PGlite needs the folder of this package');
  });
  beforeEach('create a project', () => {
    const created = realpathSync(mkdtempSync(join(tmpdir(), 'undrop-in-process-')));
    made = { folder: created, outside: process.cwd() };
    write('package.json', '{ "private": true, "type": "module" }');
    write('node_modules/knex-undrop/package.json', '{ "type": "module", "exports": "./index.js" }');
    write('node_modules/knex-undrop/index.js', `export * from ${JSON.stringify(index)};\n`);
    process.chdir(created);
  });
  // Also called if a hook before the one above has failed.
  afterEach('remove the project', () => {
    if (made === undefined) return;
    process.chdir(made.outside);
    rmSync(made.folder, { recursive: true });
    made = undefined;
  });
  return {
    get folder() {
      return folder();
    },
    path,
    write,
    migration: (name, options) =>
      write(
        `migrations/${name}.js`,
        `import { reversibleDrop } from 'knex-undrop';
         export const { up, down, ready } = reversibleDrop(${JSON.stringify({ name, ...options })});`,
      ),
    load: async (file) => (await importModule(resolve(folder(), file))) as unknown as ReversibleDrop,
    read: (file) => readFileSync(path(file), 'utf8'),
    list: (name) => (existsSync(path(name)) ? readdirSync(path(name)).sort() : []),
  };
}
