import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { inFolder } from './support/packed.ts';

const root = join(import.meta.dirname, '..');

/** A file of TypeScript: its text, and what it imports: a path seen from the root, or the name of a package. */
interface Source {
  readonly lines: number;
  readonly text: string;
  readonly imports: readonly string[];
  /** Those that are there when it runs. */
  readonly loads: readonly string[];
}

const folders = ['src', 'scripts', 'migrations'].flatMap((top) =>
  readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(top, file)),
);
const sources = new Map([...folders, 'knexfile.ts'].map((path) => [path, readSource(path)]));

function readSource(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8');
  const found = [...text.matchAll(/^(?:import|export)( type)? [^;]*?from '([^']+)'/gm)];
  const resolve = (name: string) => (name.startsWith('.') ? join(path, '..', name) : name);
  return {
    lines: text.split('\n').length - 1,
    text,
    imports: found.map(([, , name = '']) => resolve(name)),
    loads: found.flatMap(([, type, name = '']) => (type === undefined ? [resolve(name)] : [])),
  };
}

/** What is there once these files have been imported, Node's own aside. */
function loadedBy(paths: readonly string[]): string[] {
  const loaded = new Set<string>();
  const load = (path: string): void => {
    if (loaded.has(path)) return;
    loaded.add(path);
    for (const one of sources.get(path)?.loads ?? []) load(one);
  };
  for (const path of paths) load(path);
  return [...loaded].filter((name) => !name.startsWith('node:'));
}

const below = (folder: string) => [...sources].filter(([path]) => path.startsWith(`${folder}/`));
/** What stands in `src` is part of its folder, or of none. */
const folderOf = (path: string) => path.split('/').slice(0, -1).join('/');

const packageOf = (name: string) => /^(@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name;

describe('the layout', () => {
  it('keeps files short', () => {
    const long = [...sources].filter(([, { lines }]) => lines > 300).map(([path]) => path);
    expect(long).to.deep.equal([]);
    const families = sources.get('src/catalog/index.ts')?.loads ?? [];
    expect(families.length).to.be.greaterThan(20);
    expect(families.filter((path) => (sources.get(path)?.lines ?? 0) > 200)).to.deep.equal([]);
  });

  it('keeps exports few: three in most files', () => {
    const counts = below('src').map(
      ([, { text }]) => text.match(/^export (async )?(function|const|class) /gm)?.length ?? 0,
    );
    expect(Math.max(...counts)).to.be.at.most(9);
    expect(counts.filter((count) => count > 3).length).to.be.at.most(counts.length / 8);
  });

  it('has a catalog that knows no stage', () => {
    for (const [path, { imports }] of below('src/catalog')) {
      const others = imports.filter((name) => folderOf(name) !== 'src/catalog');
      expect(['src/errors.ts', 'src/session.ts'], path).to.include.members(others);
    }
  });

  it('has sources that import sources, and packages that users have', () => {
    const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const known = Object.keys({ ...dependencies, ...peerDependencies });
    for (const [path, { imports }] of below('src')) {
      const packages = imports.filter((name) => !/^(src\/|node:)/.test(name)).map(packageOf);
      expect(known, path).to.include.members(packages);
    }
  });

  it('has scripts without logic: no SQL, no packages but those of the command line', () => {
    for (const [path, { imports, text }] of below('scripts')) {
      expect(text, path).not.to.match(/pg_catalog\.|`select /);
      const packages = imports.filter((name) => !/^(src|scripts)\//.test(name));
      expect(['commander', 'knex', 'node:path'], path).to.include.members(packages);
    }
  });

  it('loads a knexfile without what nothing to migrate has no need of: migrations, catalog, stages, backups', () => {
    const names = loadedBy(['knexfile.ts']);
    // Each takes about a millisecond, so what only some commands need is for `await import()`.
    expect(names.length, names.join('\n')).to.be.at.most(18);
    expect(names.filter((name) => !sources.has(name))).to.deep.equal(['pg']);
  });

  it('loads a migration without what does its work', () => {
    const names = loadedBy(below('migrations').map(([path]) => path));
    expect(names).to.include('src/options.ts');
    const much =
      /^src\/(audit|backup|report|roundtrip)\/|^src\/catalog\/(?!server)|^src\/(up|down|session)\.ts$/;
    expect(names.filter((name) => much.test(name))).to.deep.equal([]);
    expect(names.filter((name) => !sources.has(name))).to.deep.equal(['pg']);
  });

  it('has nothing that nobody uses', async function () {
    this.timeout(120_000);
    await inFolder(root, 'npm run --silent unused', { npm_config_prefer_offline: 'true' });
  });
});
