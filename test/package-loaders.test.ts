import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { expect } from 'chai';
import { inFolder, install, pack, tryInFolder } from './support/packed.ts';
import { type TestDatabase, type TestServer, testServer } from './support/server.ts';

/** The packages of the projects that share one folder. TypeScript 5, because ts-node needs its API. */
const shared = [
  ...['knex', 'pg', '@types/node@20', 'esbuild', 'jest@30', 'mocha', 'pnpm', 'ts-node', 'tsx'],
  ...['typescript@5.9', 'vitest', 'yarn@1'],
];

const schema = `
  create table runs (id int primary key, note text);
  create index runs_by_note on runs (note);
  create table kept (id int primary key);`;

const typescript = `import type { Knex } from 'knex';
import { type DropOptions, reversibleDrop, UndropError } from 'knex-undrop';

const options: DropOptions = { name: '20260101000000_drop_runs', tables: { runs: 'Not used.' } };
export const { up, down, ready } = reversibleDrop(options);
export const isRefusal = (error: unknown): boolean => error instanceof UndropError && error.code === 'not-empty';
export type Up = (knex: Knex) => Promise<void>;
`;
const commonjs = `const { reversibleDrop } = require('knex-undrop');

module.exports = reversibleDrop({ name: __filename, tables: { runs: 'Not used.' } });
`;
const esm = `import { reversibleDrop } from 'knex-undrop';

export const { up, down, ready } = reversibleDrop({ name: import.meta.filename, tables: { runs: 'Not used.' } });
`;

/** The body of a test that migrates and rolls back; it throws if a table is not as expected. */
const story = (folder: string) => `
  const lines = [];
  const knex = createKnex({
    client: 'pg',
    connection: process.env.DATABASE_URL,
    migrations: { directory: ${folder} + '/migrations', loadExtensions: ['.js', '.cjs', '.mjs'] },
    log: { debug: (line) => lines.push(line) },
  });
  const has = async (expected) => {
    if ((await knex.schema.hasTable('runs')) !== expected) throw new Error('runs: not ' + expected);
  };
  try {
    await knex.migrate.latest();
    await has(false);
    await knex.migrate.rollback();
    await has(true);
    if (lines.length !== 2) throw new Error(lines.join('; '));
    await knex('runs').insert({ id: 1 });
    let refused;
    await reversibleDrop({ name: 'refused', tables: ['runs'] }).up(knex).catch((error) => { refused = error; });
    if (!(refused instanceof UndropError) || refused.code !== 'not-empty') throw refused;
  } finally {
    await knex.destroy();
  }`;

const tsconfig = (compilerOptions: object) =>
  JSON.stringify({
    compilerOptions: { strict: true, target: 'es2022', types: ['node'], ...compilerOptions },
  });

describe('loaders', function () {
  this.timeout(1_800_000);
  let server: TestServer;
  let database: TestDatabase;
  let folder: string;
  let tarball: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-loaders-'));
    writeFileSync(join(folder, 'package.json'), '{ "private": true }');
    [server, tarball] = await Promise.all([testServer(), pack()]);
    await install(folder, [...shared, tarball]);
  });

  beforeEach(async () => {
    database = await server.createDatabase();
    await server.sql(database.name, schema);
  });

  afterEach(() => server.dropDatabase(database.name));

  after(() => rmSync(folder, { recursive: true, force: true }));

  /** Creates a project, with files by their paths. Its packages are the shared ones. */
  function project(type: 'commonjs' | 'module', files: Readonly<Record<string, string>>): string {
    const home = mkdtempSync(join(folder, 'project-'));
    symlinkSync(join(folder, 'node_modules'), join(home, 'node_modules'));
    return write(home, { 'package.json': JSON.stringify({ private: true, type }), ...files });
  }

  function write(home: string, files: Readonly<Record<string, string>>): string {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(home, path)), { recursive: true });
      writeFileSync(join(home, path), text);
    }
    return home;
  }

  const env = () => ({ DATABASE_URL: database.url });

  /** Migrates and rolls back by Knex's command line. */
  async function migrate(home: string, bin = 'node_modules/.bin', more: NodeJS.ProcessEnv = {}) {
    const run = (command: string) => inFolder(home, `${bin}/${command}`, { ...env(), ...more });
    const latest = await run('knex migrate:latest');
    expect(latest.stderr).to.include('1 table dropped');
    const status = await run('undrop status');
    expect(status.stdout).to.match(/completed +20260101000000_drop_runs/);
    const rollback = await run('knex migrate:rollback');
    expect(rollback.stderr).to.include('1 table restored');
    for (const { stderr } of [latest, status, rollback]) expect(stderr).not.to.match(/warning/i);
  }

  const knexfile = `{ client: 'pg', connection: process.env.DATABASE_URL, migrations: { directory: 'migrations' } }`;

  it('Jest runs CommonJS migrations, also with undropConfig', async () => {
    const home = project('commonjs', {
      'migrations/20260101000000_drop_runs.js': commonjs,
      'story.test.js': `const createKnex = require('knex');
        const { reversibleDrop, undropConfig, UndropError } = require('knex-undrop');
        test('migrates', async () => {${story('__dirname')}});
        test('asks for approvals, which it reads from the environment of the test', async () => {
          const knex = createKnex({ client: 'pg', connection: process.env.DATABASE_URL });
          const one = reversibleDrop({ name: 'one', tables: ['kept'], approval: 'each-table' });
          await expect(one.up(knex)).rejects.toThrow(UndropError);
          process.env.APPROVED_DROPS = 'kept';
          await one.up(knex);
          await one.down(knex);
          await knex('runs').delete();
          await knex.destroy();
        });
        test('uses undropConfig', async () => {
          delete process.env.APPROVED_DROPS;
          const knex = createKnex(undropConfig({ root: __dirname, schemaName: 'public' }));
          await knex.migrate.latest();
          expect(await knex.schema.hasTable('runs')).toBe(false);
          await knex.migrate.rollback();
          expect(await knex.schema.hasTable('runs')).toBe(true);
          await knex.destroy();
        });`,
    });
    const ran = await tryInFolder(home, 'node_modules/.bin/jest --ci --testTimeout=600000', env());
    expect(ran.status, ran.text).to.equal(0);
    expect(ran.stderr).to.include('Tests:       3 passed');
  });

  it('Vitest runs ES modules', async () => {
    const home = project('module', {
      'migrations/20260101000000_drop_runs.js': esm,
      'story.test.ts': `import createKnex from 'knex';
        import { test } from 'vitest';
        import { reversibleDrop, UndropError } from 'knex-undrop';
        test('migrates', async () => {${story('import.meta.dirname')}});`.replace(
        'lines = []',
        'lines: string[] = []',
      ),
    });
    const ran = await tryInFolder(home, 'node_modules/.bin/vitest run --testTimeout=600000', env());
    expect(ran.status, ran.text).to.equal(0);
  });

  it('mocha runs both', async () => {
    const head =
      'const createKnex = require("knex");\nconst { reversibleDrop, UndropError } = require("knex-undrop");';
    const home = project('commonjs', {
      'migrations/20260101000000_drop_runs.js': commonjs,
      'story.cjs': `${head}\nit('migrates', async () => {${story('__dirname')}}).timeout(600_000);`,
      'story.mjs': `import createKnex from 'knex';
        import { reversibleDrop, UndropError } from 'knex-undrop';
        it('migrates', async () => {
          const before = createKnex({ client: 'pg', connection: process.env.DATABASE_URL });
          await before('runs').delete();
          await before.destroy();
          ${story('import.meta.dirname')}
        }).timeout(600_000);`,
    });
    const ran = await tryInFolder(home, 'node_modules/.bin/mocha story.cjs story.mjs', env());
    expect(ran.status, ran.text).to.equal(0);
    expect(ran.stdout).to.include('2 passing');
  });

  for (const module of ['node16', 'node18', 'nodenext'])
    it(`TypeScript compiles to CommonJS with module ${module}, and the result runs`, async () => {
      const home = project('commonjs', {
        'sources/20260101000000_drop_runs.ts': typescript,
        'knexfile.js': `module.exports = ${knexfile};\n`,
        'tsconfig.json': tsconfig({
          module,
          outDir: 'migrations',
          rootDir: 'sources',
          skipLibCheck: module !== 'node16',
        }),
      });
      const compiled = await tryInFolder(home, 'node_modules/.bin/tsc -p .');
      expect(compiled.status, compiled.text).to.equal(0);
      // The others compile to the same.
      if (module === 'node16') await migrate(home);
    });

  it('ts-node runs TypeScript in a CommonJS project', async () => {
    const home = project('commonjs', {
      'migrations/20260101000000_drop_runs.ts': typescript,
      'knexfile.ts': `export default ${knexfile};\n`,
      'tsconfig.json': tsconfig({ module: 'node16', skipLibCheck: true }),
    });
    await migrate(home, undefined, { NODE_OPTIONS: '--require=ts-node/register' });
  });

  for (const type of ['commonjs', 'module'] as const)
    it(`tsx runs TypeScript in a project of type ${type}`, async () => {
      const home = project(type, {
        'migrations/20260101000000_drop_runs.ts': typescript,
        'knexfile.ts': `export default ${knexfile};\n`,
      });
      await migrate(home, undefined, { NODE_OPTIONS: '--import=tsx' });
    });

  for (const manager of ['pnpm', 'yarn'] as const)
    it(`${manager} installs it in a workspace`, async () => {
      const home = mkdtempSync(join(folder, `${manager}-`));
      const dependencies = { 'knex-undrop': `file:../${basename(tarball)}`, knex: '*', pg: '*' };
      cpSync(tarball, join(home, basename(tarball)));
      write(home, {
        'package.json': JSON.stringify({ private: true, workspaces: ['app'] }),
        'pnpm-workspace.yaml': 'packages: [app]\n',
        'app/package.json': JSON.stringify({ name: 'app', version: '1.0.0', private: true, dependencies }),
        'app/knexfile.js': `module.exports = ${knexfile};\n`,
        'app/migrations/20260101000000_drop_runs.js': commonjs,
      });
      await inFolder(home, `${folder}/node_modules/.bin/${manager} install --prefer-offline`, { CI: '' });
      const bins = readdirSync(join(home, 'app/node_modules/.bin'));
      expect(bins).to.include.members(['undrop']);
      await migrate(join(home, 'app'), bins.includes('knex') ? 'node_modules/.bin' : '../node_modules/.bin');
    });

  const kinds: Readonly<Record<string, readonly ['commonjs' | 'module', string, string]>> = {
    TypeScript: ['module', 'knexfile.ts', `export default ${knexfile};\n`],
    'ES modules': ['module', 'knexfile.js', `export default ${knexfile};\n`],
    CommonJS: ['commonjs', 'knexfile.js', `module.exports = ${knexfile};\n`],
  };
  for (const [language, [type, file, text]] of Object.entries(kinds))
    it(`undrop make writes a migration in ${language}, which drops and restores`, async () => {
      const home = project(type, { [file]: text });
      const loader = language === 'TypeScript' ? { NODE_OPTIONS: '--import=tsx' } : {};
      const run = (command: string) => inFolder(home, `npx ${command}`, { ...env(), ...loader });
      const made = await run('undrop make drop_runs runs');
      expect(made.stdout).to.match(
        /^migrations\/\d{14}_drop_runs\.[jt]s\n\n\d{14}_drop_runs: up would drop its tables\n/,
      );
      expect((await run('knex migrate:latest')).stderr).to.include('1 table dropped');
      expect((await run('knex migrate:rollback')).stderr).to.include('1 table restored');
    });

  it('esbuild bundles it with a migration', async () => {
    const home = project('module', {
      'app.js': `import createKnex from 'knex';
        import { reversibleDrop, UndropError } from 'knex-undrop';
        import * as migration from './migration.js';
        const source = {
          getMigrations: async () => ['20260101000000_drop_runs'],
          getMigrationName: (name) => name,
          getMigration: async () => migration,
        };
        (async () => {${story("''").replace(/migrations: \{[^}]*\}/, 'migrations: { migrationSource: source }')}})();`,
      'migration.js': esm.replace('import.meta.filename', `'20260101000000_drop_runs'`),
    });
    await inFolder(
      home,
      'node_modules/.bin/esbuild app.js --bundle --platform=node --external:knex --external:pg --outfile=out/app.cjs',
    );
    const ran = await tryInFolder(home, 'node out/app.cjs', env());
    expect(ran.status, ran.text).to.equal(0);
  });

  it('is one copy for CommonJS and ES modules', async () => {
    const home = project('module', {
      'both.mjs': `import { createRequire } from 'node:module';
        import * as imported from 'knex-undrop';
        const required = createRequire(import.meta.url)('knex-undrop');
        const names = Object.keys(imported);
        if (names.join() !== Object.keys(required).sort().join()) throw new Error(names.join());
        for (const name of names) if (imported[name] !== required[name]) throw new Error(name);`,
    });
    const ran = await tryInFolder(home, 'node both.mjs');
    expect(ran.status, ran.text).to.equal(0);
  });
});
