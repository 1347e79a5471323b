import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { inFolder, install, pack, tryInFolder } from './support/packed.ts';
import { pgDump } from './support/pg-dump.ts';
import { type TestDatabase, type TestServer, testServer } from './support/server.ts';

const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
const [, stub = ''] = /with `--stub\s+(\S+)`/.exec(readme) ?? [];

const bin = join(import.meta.dirname, '../node_modules/.bin');

/** The project of a user, with a knexfile, a migrations table in `public` and a migration that has run. */
interface Kind {
  readonly type: 'module' | 'commonjs';
  /** The extension of the knexfile and the migrations. */
  readonly extension: 'ts' | 'js';
  readonly stub: string;
  readonly knexfile: string;
  readonly first: string;
  /** The knexfile with undropConfig; the migrations table stays in its schema. */
  readonly adopted: (options: string) => string;
  readonly env: NodeJS.ProcessEnv;
}

const create = `
  await knex.schema.createTable('customers', (t) => { t.increments(); t.string('name').notNullable(); });
  await knex.schema.createTable('old_runs', (t) => {
    t.increments();
    t.integer('customer_id').notNullable().references('customers.id').onDelete('cascade');
    t.specificType('tags', 'text[]').defaultTo('{}');
    t.index(['customer_id'], 'old_runs_by_customer');
    t.comment('Runs before 2023.');
  });
  await knex('customers').insert({ name: 'Ada' });`;
const settings = `{ client: 'pg', connection: process.env.DATABASE_URL ?? '', migrations: { directory: 'migrations' } }`;

const kinds: Readonly<Record<string, Kind>> = {
  'an ESM project in TypeScript': {
    type: 'module',
    extension: 'ts',
    stub: 'drop.ts',
    knexfile: `import type { Knex } from 'knex';\n\nconst config: Knex.Config = ${settings};\nexport default config;\n`,
    first: `import type { Knex } from 'knex';
      export async function up(knex: Knex): Promise<void> {${create}}
      export async function down(): Promise<void> {}\n`,
    adopted: (options) => `import { undropConfig } from 'knex-undrop';
      export default undropConfig({ root: import.meta.dirname${options} });\n`,
    env: { NODE_OPTIONS: '--import=tsx' },
  },
  'a CommonJS project': {
    type: 'commonjs',
    extension: 'js',
    stub: 'drop.cjs',
    knexfile: `module.exports = ${settings};\n`,
    first: `exports.up = async (knex) => {${create}};\nexports.down = async () => {};\n`,
    adopted: (options) => `const { undropConfig } = require('knex-undrop');
      module.exports = undropConfig({ root: __dirname${options} });\n`,
    env: {},
  },
};

describe('as a dependency', () => {
  let server: TestServer;
  let folder: string;
  let tarball: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-consumers-'));
    writeFileSync(join(folder, 'package.json'), '{ "private": true }');
    [server, tarball] = await Promise.all([
      testServer(),
      pack(),
      install(folder, ['knex', 'pg', 'tsx', '@types/node@20']),
    ]);
    await install(folder, [tarball]);
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  it('passes publint and attw', async () => {
    const lint = await tryInFolder(folder, `${bin}/publint run --strict ${tarball}`);
    expect(lint.status, lint.text).to.equal(0);
    const types = await tryInFolder(folder, `${bin}/attw --no-definitely-typed -- ${tarball}`);
    expect(types.status, types.text).to.equal(0);
    expect(statSync(tarball).size).to.be.lessThan(300_000);
    const packed = await inFolder(folder, `tar -tzf ${tarball}`);
    expect(packed.stdout).to.include('package/stubs/drop.mjs').and.include('package/docs/backups.md');
    expect(packed.stdout).not.to.match(/\/(test|bench|knexfile|\.env|\.npmrc)/);
  });

  it('keeps the names of functions for stack traces, and its lines short', async () => {
    const wrong = { env: { DEBUG: '1', DATABASE_URL: 'postgres://127.0.0.1:1/none' } };
    const { status, stderr } = await tryInFolder(folder, 'node_modules/.bin/undrop status', wrong.env);
    expect(status, stderr).to.equal(1);
    expect(stderr).to.match(/^ +at unreachable \(.*undrop\.js:\d+:\d+\)$/m);
    const code = readFileSync(join(folder, 'node_modules/knex-undrop/dist/src/undrop.js'), 'utf8');
    const long = code.split('\n').filter((line) => line.length > 1500);
    expect(long).to.deep.equal([]);
  });

  it('installs its five dependencies and their dependencies', () => {
    const manifest = (path: string) => JSON.parse(readFileSync(join(folder, path, 'package.json'), 'utf8'));
    const own = Object.keys(manifest('node_modules/knex-undrop').dependencies);
    expect(own).to.deep.equal(['commander', 'dotenv', 'libpg-query', 'pg-copy-streams', 'string-width']);
    expect(readdirSync(join(folder, 'node_modules'))).not.to.include('@electric-sql');
  });

  it('reports the packages that the embedded server needs if they are not installed', async () => {
    const { status, stderr } = await tryInFolder(folder, 'node_modules/.bin/undrop demo');
    expect(status, stderr).to.equal(1);
    expect(stderr).to.include('the embedded server is not installed');
    const [, advice = ''] = /(npm install --save-dev .*)\.$/m.exec(stderr) ?? [];
    expect(advice.match(/@electric-sql\/\S+@\d/g)).to.have.length(4);
    const dry = await tryInFolder(folder, `${advice} --dry-run --prefer-offline`);
    expect(dry.status, dry.text).to.equal(0);
  });

  it('can be installed with any later version of the embedded server', async () => {
    const { peerDependencies } = JSON.parse(
      readFileSync(join(folder, 'node_modules/knex-undrop/package.json'), 'utf8'),
    );
    const parts = Object.keys(peerDependencies).filter((name) => name.startsWith('@electric-sql/'));
    expect(parts).to.have.length(4);
    const home = join(folder, 'beside');
    const later = parts.map((name) => {
      const place = join(home, 'later', name);
      mkdirSync(place, { recursive: true });
      writeFileSync(join(place, 'package.json'), JSON.stringify({ name, version: '99.0.0' }));
      return place;
    });
    writeFileSync(join(home, 'package.json'), '{ "private": true }');
    await install(home, [...later, 'knex', 'pg', tarball]);
    expect(readdirSync(join(home, 'node_modules'))).to.include('knex-undrop');
  });

  for (const [name, kind] of Object.entries(kinds)) {
    describe(name, () => {
      let home: string;
      let database: TestDatabase;

      const file = (path: string) => join(home, `${path}.${kind.extension}`);
      const env = () => ({ ...kind.env, DATABASE_URL: database.url });
      const run = (command: string) => inFolder(home, `node_modules/.bin/${command}`, env());
      const dump = () =>
        pgDump(database.url, ['--exclude-schema=undrop', '--exclude-table-data=public.knex_migrations*']);
      const recorded = async (schema = 'public') =>
        (
          await server.sql<{ name: string }>(
            database.name,
            `select name from ${schema}.knex_migrations order by id`,
          )
        ).map((row) => row.name);

      before(async () => {
        home = join(folder, kind.type);
        mkdirSync(join(home, 'migrations'), { recursive: true });
        symlinkSync(join(folder, 'node_modules'), join(home, 'node_modules'));
        writeFileSync(join(home, 'package.json'), JSON.stringify({ private: true, type: kind.type }));
        writeFileSync(file('knexfile'), kind.knexfile);
        writeFileSync(file('migrations/20260101000000_create'), kind.first);
        database = await server.createDatabase();
        await run('knex migrate:latest');
      });

      after(() => server.dropDatabase(database.name));

      it('drops and restores with a migration made from the stub', async () => {
        const before = await dump();
        const file = stub.replace('drop.mjs', kind.stub);
        const command = `npx knex migrate:make drop_old_runs --stub ${file} -x ${kind.extension}`;
        const made = await inFolder(home, command, env());
        const [, path = ''] = /^Created Migration: (.*)$/m.exec(made.stdout) ?? [];
        const text = readFileSync(path, 'utf8').replace('a_table', 'old_runs');
        writeFileSync(path, text);

        const latest = await inFolder(home, 'npx knex migrate:latest', env());
        expect(latest.stderr).to.include('1 table dropped');
        expect(await dump()).not.to.include('old_runs');
        await run('undrop verify');
        const rollback = await inFolder(home, 'npx knex migrate:rollback', env());
        expect(rollback.stderr).to.include('1 table restored');
        expect(await dump()).to.equal(before);
        expect(await recorded()).to.deep.equal([`20260101000000_create.${kind.extension}`]);
      });

      it('keeps its migrations table with undropConfig, and runs no migration again', async () => {
        writeFileSync(file('knexfile'), kind.adopted(''));
        const refused = await tryInFolder(home, 'node_modules/.bin/knex migrate:latest', env());
        expect(refused.status).to.equal(1);
        expect(refused.stderr).to.include('already has a migrations table: public.knex_migrations');
        expect(refused.stderr).to.include("schemaName: 'public'");

        writeFileSync(file('knexfile'), kind.adopted(`, schemaName: 'public'`));
        const before = await dump();
        const latest = await run('knex migrate:latest');
        expect(latest.stdout).to.include('1 migrations');
        const [first, second] = await recorded();
        expect(first).to.equal(`20260101000000_create.${kind.extension}`);
        expect(second).to.match(/^\d{14}_drop_old_runs$/);
        await run('knex migrate:rollback');
        expect(await dump()).to.equal(before);
      });

      if (kind.extension !== 'ts') return;
      for (const [resolution, module] of Object.entries({ nodenext: 'nodenext', bundler: 'esnext' }))
        it(`has types that compile with moduleResolution ${resolution}`, async () => {
          writeFileSync(file('script'), script);
          writeFileSync(
            join(home, 'required.cts'),
            `import undrop = require('knex-undrop');\nundrop.planDrop;\n`,
          );
          const compilerOptions = { ...strict, module, moduleResolution: resolution };
          // CommonJS cannot be combined with moduleResolution bundler.
          const include = ['*.ts', 'migrations', ...(resolution === 'nodenext' ? ['*.cts'] : [])];
          writeFileSync(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions, include }));
          const checked = await tryInFolder(home, `${bin}/tsc -p .`);
          expect(checked.status, checked.text).to.equal(0);
        });
    });
  }
});

const strict = {
  target: 'es2022',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noUncheckedSideEffectImports: true,
  verbatimModuleSyntax: true,
  isolatedModules: true,
  noEmit: true,
  types: ['node'],
};

/** An example of TypeScript code that uses the API. */
const script = `
import createKnex from 'knex';
import {
  type DropOptions, type ErrorCode, type Plan, planDrop, type ReversibleDrop, reversibleDrop, undropConfig, UndropError,
} from 'knex-undrop';

const options: DropOptions = { name: import.meta.filename, tables: ['old_runs'], rows: 'copy' };
const migration: ReversibleDrop = reversibleDrop(options);
const knex = createKnex(undropConfig({ root: import.meta.dirname, schemaName: 'public' }));
try {
  const plan: Plan = await planDrop(knex, options);
  console.log(plan.tables[0]?.fingerprint, migration.ready(), migration.ready.waitsFor);
} catch (error) {
  const code: ErrorCode | undefined = error instanceof UndropError ? error.code : undefined;
  console.error(code);
}
// @ts-expect-error: not a value of rows
reversibleDrop({ name: 'm', tables: [], rows: 'delete' });
`;
