import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { inFolder } from './support/packed.ts';

const root = join(import.meta.dirname, '..');

/** A TypeScript file: its text and its imports, as paths relative to the root or names of packages. */
interface Source {
  readonly lines: number;
  readonly text: string;
  readonly imports: readonly string[];
  /** Imports at run time, without types. */
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
  const later = [...text.matchAll(/\bimport\('([^']+)'\)/g)].map(([, name = '']) => name);
  const resolve = (name: string) => (name.startsWith('.') ? join(path, '..', name) : name);
  return {
    lines: text.split('\n').length - 1,
    text,
    imports: [...found.map(([, , name = '']) => name), ...later].map(resolve),
    loads: found.flatMap(([, type, name = '']) => (type === undefined ? [resolve(name)] : [])),
  };
}

/** Returns all files and packages that are loaded when these files are imported, without Node's modules. */
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
/** Returns the layer of a file. A file directly in `src` is a layer of its own. */
const stageOf = (path: string) => (/^src\/[^/]+$/.test(path) ? path : dirname(path));

/** The layers of `docs/architecture.md`. */
const layers = new Map(
  [...readFileSync(join(root, 'docs/architecture.md'), 'utf8').matchAll(/^\| (\d+) \| `([^`]+)` \|/gm)].map(
    ([, layer, stage = '']) => [stage, Number(layer)],
  ),
);

const packageOf = (name: string) => /^(@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name;

describe('the layout', () => {
  it('keeps files short', () => {
    const long = [...sources].filter(([, { lines }]) => lines > 300).map(([path]) => path);
    expect(long).to.deep.equal([]);
    const families = sources.get('src/catalog/families/index.ts')?.loads ?? [];
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

  it('has one folder per stage, which imports only from lower layers', () => {
    const stages = new Set([...below('src'), ...below('scripts')].map(([path]) => stageOf(path)));
    expect([...layers.keys()]).to.have.members([...stages]);
    const layerOf = (path: string) => layers.get(stageOf(path)) ?? 0;
    const wrong = [...below('src'), ...below('scripts')].flatMap(([path, { imports }]) =>
      imports
        .filter(
          (name) => sources.has(name) && stageOf(name) !== stageOf(path) && layerOf(name) >= layerOf(path),
        )
        .map((name) => `${path} imports ${name}`),
    );
    expect(wrong).to.deep.equal([]);
  });

  it('has no import cycles, types included', () => {
    const done = new Set<string>();
    const circles: string[] = [];
    const follow = (path: string, way: readonly string[]): void => {
      if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(' -> '));
      if (done.has(path) || way.includes(path)) return;
      for (const name of sources.get(path)?.imports ?? []) follow(name, [...way, path]);
      done.add(path);
    };
    for (const path of sources.keys()) follow(path, []);
    expect(circles).to.deep.equal([]);
  });

  it('has only the public API, the errors and the demo directly in src', () => {
    const files = [...sources.keys()].filter((path) => dirname(path) === 'src');
    expect(files).to.have.members(['src/demo.ts', 'src/errors.ts', 'src/index.ts']);
  });

  it('has sources that import only sources and packages that users install', () => {
    const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const known = Object.keys({ ...dependencies, ...peerDependencies });
    for (const [path, { imports }] of below('src')) {
      const packages = imports.filter((name) => !/^(src\/|node:)/.test(name)).map(packageOf);
      expect(known, path).to.include.members(packages);
    }
  });

  it('has scripts without logic: no SQL, no packages except those for the command line', () => {
    for (const [path, { imports, text }] of below('scripts')) {
      expect(text, path).not.to.match(/pg_catalog\.|`select /);
      const packages = imports.filter((name) => !/^(src|scripts)\//.test(name));
      expect(['commander', 'knex', 'node:path', 'node:readline/promises'], path).to.include.members(packages);
    }
  });

  it('leaves signals and the end of the process to the commands', () => {
    for (const [path, { text }] of below('src'))
      expect(text, path).not.to.match(/process\.(exit|abort)\b|process\.on\w*\('SIG/);
  });

  it('loads a knexfile without modules that are needed only to migrate: migrations, catalog, stages, backups', () => {
    const names = loadedBy(['knexfile.ts']);
    // Each module takes about a millisecond, so modules for single commands are loaded with `await import()`.
    expect(names.length, names.join('\n')).to.be.at.most(13);
    expect(names.filter((name) => !sources.has(name))).to.deep.equal(['dotenv']);
  });

  it('loads a migration without the modules that run it', () => {
    const names = loadedBy(below('migrations').map(([path]) => path));
    expect(names).to.include('src/options/options.ts');
    const much =
      /^src\/(archive|audit|backup|capture|catalog|down|locks|report|roundtrip|up)\/|^src\/session\/(?!server)/;
    expect(names.filter((name) => much.test(name))).to.deep.equal([]);
    expect(names.filter((name) => !sources.has(name))).to.deep.equal(['dotenv']);
  });

  it('locks every package that its scripts run by hash, without naming a registry', () => {
    for (const folder of ['.', 'tools/api', 'tools/mutants']) {
      const { packages } = JSON.parse(readFileSync(join(root, folder, 'package-lock.json'), 'utf8'));
      for (const [name, locked] of Object.entries<object>(packages)) {
        expect(locked, name).not.to.have.property('resolved');
        if (name !== '') expect(locked, name).to.have.property('integrity');
      }
    }
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    for (const script of Object.values(scripts)) expect(script).not.to.match(/\bnpx\b|npm exec/);
  });

  it('has no unused files, exports or dependencies', async () => {
    await inFolder(root, 'npm run --silent unused', { npm_config_prefer_offline: 'true' });
  });
});
