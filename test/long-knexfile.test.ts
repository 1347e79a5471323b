import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { succeeded } from './support/command.ts';
import type { TestDatabase } from './support/server.ts';
import { skip } from './support/skip.ts';
import { makeStockProject, type StockProject } from './support/stock-project.ts';
import { useServer } from './support/use-database.ts';

const drop = (name: string, table: string) =>
  `import { reversibleDrop } from 'knex-undrop';
   export const { up, down } = reversibleDrop({ name: ${JSON.stringify(name)}, tables: [${JSON.stringify(table)}] });`;

describe('the knexfile', () => {
  const server = useServer();
  let project: StockProject;
  let database: TestDatabase;

  before(async function () {
    if (server.embedded) skip(this, 'one client at a time');
  });

  beforeEach(async () => {
    project = makeStockProject();
    database = await server.createDatabase();
    await server.sql(database.name, 'create table a (id int); create table b (id int); create schema s');
  });

  afterEach(async () => {
    project.remove();
    await server.dropDatabase(database.name);
  });

  interface Found {
    status: number | null;
    text: string;
    /** The pending drops, as preflight, status and report find them. */
    pending: string[];
  }

  async function look(options = '', env: NodeJS.ProcessEnv = {}): Promise<Found> {
    const run = (command: string) => project.run(`npx undrop ${command} --json ${options}`.trim(), env);
    const preflight = await run('preflight');
    if (preflight.status !== 0) return { ...preflight, pending: [] };
    const pending = JSON.parse(preflight.stdout).migrations.map(
      (one: { migration: string }) => one.migration,
    );
    const status = await run('status');
    expect(status.status, status.text).to.equal(0);
    const inStatus = JSON.parse(status.stdout).migrations.filter(
      (one: { state: string }) => one.state === 'pending',
    );
    expect(inStatus.map((one: { name: string }) => one.name)).to.deep.equal(pending);
    const report = await run('report');
    const inReport = JSON.parse(report.stdout).migrations;
    expect(inReport.map((one: { migration: string }) => one.migration)).to.deep.equal(pending);
    return { ...preflight, pending };
  }

  const config = (migrations: string, more = '') =>
    `{ client: 'pg', connection: ${JSON.stringify(database.url)}, migrations: ${migrations} ${more} }`;

  /** What Knex would run. */
  async function knexList(options = ''): Promise<string> {
    return (await succeeded(project.run(`npx knex migrate:list ${options}`.trim(), {}))).stdout;
  }

  it('gives connection and several folders, in the order in which Knex runs their files', async () => {
    mkdirSync(join(project.folder, 'one'));
    mkdirSync(join(project.folder, 'two'));
    project.write('two/1_b.js', drop('1_b', 'b'));
    project.write('one/2_a.js', drop('2_a', 'a'));
    project.write('one/3_ignored.mjs', drop('3_ignored', 'a'));
    project.write('knexfile.js', `export default ${config("{ directory: ['./one', './two'] }")};`);
    const found = await look();
    expect(found.pending, found.text).to.deep.equal(['1_b', '2_a']);
    expect(found.text).to.match(new RegExp(`Database: ${database.name} at 127.0.0.1:\\d+ as postgres`));
    project.write(
      'knexfile.js',
      `export default ${config("{ directory: ['./one', './two'], sortDirsSeparately: true, loadExtensions: ['.mjs', '.js'] }")};`,
    );
    expect((await look()).pending).to.deep.equal(['2_a', '3_ignored', '1_b']);
    const list = await knexList();
    expect(['2_a', '3_ignored', '1_b'].map((name) => list.indexOf(name))).to.satisfy((places: number[]) =>
      places.every((place, index) => place > (places[index - 1] ?? -1)),
    );
  });

  it('gives the migrations table and its schema, whatever other ones there are', async () => {
    project.write('migrations/1_a.js', drop('1_a', 'a'));
    project.write('knexfile.js', `export default ${config("{ tableName: 'moved', schemaName: 's' }")};`);
    await server.sql(
      database.name,
      `create table knex_migrations (id serial, name text, batch int, migration_time timestamptz);
       insert into knex_migrations (name) values ('1_a.js')`,
    );
    expect((await look()).pending).to.deep.equal(['1_a']);
    const ran = await project.run('npx knex migrate:latest', {});
    expect(ran.status, ran.text).to.equal(0);
    expect((await look()).pending).to.deep.equal([]);
    expect((await look('--migrations-table-name other')).pending).to.deep.equal(['1_a']);
  });

  it('gives the migration source', async () => {
    project.write('drop.js', drop('from_source', 'a'));
    project.write(
      'knexfile.js',
      `import * as found from './drop.js';
       export default ${config(`{ migrationSource: {
         getMigrations: async () => ['from_source'], getMigrationName: (name) => name, getMigration: async () => found } }`)};`,
    );
    expect((await look()).pending).to.deep.equal(['from_source']);
  });

  it('is selected by --knexfile, --env and --migrations, to which paths are relative as in Knex', async () => {
    mkdirSync(join(project.folder, 'db/drops'), { recursive: true });
    mkdirSync(join(project.folder, 'db/others'));
    project.write('db/drops/1_a.js', drop('1_a', 'a'));
    project.write('db/others/1_b.js', drop('1_b', 'b'));
    project.write('knexfile.js', 'throw new Error("not this one")');
    project.write(
      'db/config.mjs',
      `export default async () => ({
         development: ${config("{ directory: './others' }")}, live: ${config("{ directory: './drops' }")} });`,
    );
    const broken = await look();
    expect(broken.status, broken.text).to.equal(2);
    expect(broken.text).to.include('bad-options').and.include('not this one').and.include('knexfile.js');
    expect((await look('--knexfile db/config.mjs')).pending).to.deep.equal(['1_b']);
    expect((await look('--knexfile db/config.mjs --env live')).pending).to.deep.equal(['1_a']);
    expect((await look('--knexfile db/config.mjs', { NODE_ENV: 'live' })).pending).to.deep.equal(['1_a']);
    const moved = await look('--knexfile db/config.mjs --migrations ./drops');
    expect(moved.pending, moved.text).to.deep.equal(['1_a']);
    expect(await knexList('--knexfile db/config.mjs --migrations-directory ./drops')).to.include('1_a');
    const unknown = await look('--knexfile db/config.mjs --env nowhere');
    expect(unknown.status).to.equal(2);
    expect(unknown.text).to.include('--env').and.include('development, live');
    expect((await look('--knexfile nowhere.js')).text)
      .to.include('does not exist')
      .and.include('--knexfile');
  });

  it('may be missing: then the folder migrations must exist', async () => {
    project.write('knexfile.js', `export default ${config("{ directory: './nowhere' }")};`);
    for (const command of ['preflight', 'status', 'report']) {
      const ran = await project.run(`npx undrop ${command}`, {});
      expect(ran.status, ran.text).to.equal(2);
      expect(ran.text).to.include('bad-options').and.include('nowhere').and.include('--migrations-directory');
      expect(ran.text).not.to.include('pending');
    }
    rmSync(join(project.folder, 'knexfile.js'));
    rmSync(join(project.folder, 'migrations'), { recursive: true });
    const ran = await project.run('npx undrop preflight', { DATABASE_URL: database.url });
    expect(ran.status, ran.text).to.equal(2);
    expect(ran.text).to.include('migrations cannot be read');
    mkdirSync(join(project.folder, 'migrations'));
    project.write('migrations/1_a.mjs', drop('1_a', 'a'));
    expect((await look('', { DATABASE_URL: database.url })).pending).to.deep.equal(['1_a']);
  });

  it('is explained if it cannot be reached', async () => {
    project.write(
      'knexfile.js',
      `export default { client: 'pg', connection: 'postgres://u:geheim@127.0.0.1:1/d' };`,
    );
    const ran = await project.run('npx undrop preflight', {});
    expect(ran.text)
      .to.include('no-connection')
      .and.include('d at 127.0.0.1:1 as u')
      .and.not.include('geheim');
    expect(ran.status).to.equal(1);
  });

  it('in TypeScript, and such migrations, need a loader that the error names', async function () {
    if (Reflect.get(process.features, 'typescript')) skip(this, 'this version of Node loads TypeScript');
    project.write('knexfile.js', `export default ${config('{}')};`);
    project.write('migrations/1_a.ts', drop('1_a', 'a'));
    const says = 'NODE_OPTIONS=--import=tsx';
    for (const file of ['a migration', 'a knexfile']) {
      const ran = await project.run('npx undrop preflight', {});
      expect(ran.status, `${file}: ${ran.text}`).to.equal(2);
      expect(ran.text).to.include(says).and.include('bad-options');
      if (file === 'a migration')
        renameSync(join(project.folder, 'knexfile.js'), join(project.folder, 'knexfile.ts'));
    }
    const tsx = `--import=${import.meta.resolve('tsx')}`;
    expect((await look('', { NODE_OPTIONS: tsx })).pending).to.deep.equal(['1_a']);
  });
});
