import { mkdirSync } from 'node:fs';
import { expect } from 'chai';
import { UndropError } from '../src/errors.ts';
import { importModule } from '../src/migration/import-module.ts';
import { undropConfig } from '../src/migration/knex-config.ts';
import { type Knexfile, type KnexOptions, loadKnexfile, within } from '../src/migration/load-knexfile.ts';
import { migrationsOf } from '../src/migration/migrations.ts';
import { openKnexfile } from '../src/migration/open-knexfile.ts';
import { logTo } from '../src/text/log.ts';
import { refusalOf, withEnvironment } from './support/migrate.ts';
import { useProject } from './support/source-project.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('the knexfile', () => {
  const project = useProject();
  const config = (name: string) => `{ client: 'pg', connection: ${JSON.stringify(name)} }`;

  const load = (options: KnexOptions = {}, from = project.folder) => loadKnexfile(options, from);
  const connectionOf = async (...args: Parameters<typeof load>) => (await load(...args))?.config.connection;

  describe('is found', () => {
    it('in the folder, or in the nearest above it, in the order of the extensions of Knex', async () => {
      expect(await load()).to.equal(undefined);
      project.write('knexfile.mjs', `export default ${config('mjs')}`);
      project.write('a/b/file', '');
      expect(await connectionOf({}, project.path('a/b'))).to.equal('mjs');
      project.write('knexfile.js', `export default ${config('js')}`);
      const found = await load({}, project.path('a/b'));
      expect(found).to.deep.equal({
        path: project.path('knexfile.js'),
        folder: project.folder,
        config: { client: 'pg', connection: 'js', migrations: {} },
      });
    });

    it('by its path, in whose folder it is loaded, and the folder is restored', async () => {
      project.write('knexfile.js', 'throw new Error("not this one")');
      project.write('db/config.mjs', `export default { client: 'pg', connection: process.cwd() }`);
      const found = await load({ knexfile: 'db/config.mjs' });
      expect(found?.path).to.equal(project.path('db/config.mjs'));
      expect(found?.folder).to.equal(project.path('db'));
      expect(found?.config.connection).to.equal(project.path('db'));
      expect(process.cwd()).to.equal(project.folder);
    });
  });

  const forms: [string, string, string][] = [
    ['an object', 'knexfile.js', `export default ${config('found')}`],
    ['a function', 'knexfile.js', `export default () => (${config('found')})`],
    ['an async function', 'knexfile.js', `export default async () => (${config('found')})`],
    ['named exports', 'knexfile.js', `export const development = ${config('found')}`],
    ['CommonJS', 'knexfile.cjs', `module.exports = ${config('found')}`],
    [
      'a module that was compiled to CommonJS',
      'knexfile.cjs',
      `Object.defineProperty(exports, '__esModule', { value: true }); exports.default = ${config('found')}`,
    ],
    ['TypeScript', 'knexfile.ts', `const found: object = ${config('found')}; export default found`],
    ['a dialect', 'knexfile.js', `export default { dialect: 'postgres', connection: 'found' }`],
  ];
  for (const [title, file, text] of forms)
    it(`may be ${title}`, async () => {
      project.write(file, text);
      expect(await connectionOf({ knexfile: file, env: 'development' })).to.equal('found');
    });

  it('is read for the environment of the option, of NODE_ENV, or development', async () => {
    project.write(
      'knexfile.js',
      `export default { development: ${config('1')}, live: ${config('2')}, test: ${config('3')} }`,
    );
    await withEnvironment({ NODE_ENV: '' }, async () => {
      expect(await connectionOf()).to.equal('1');
      expect(await connectionOf({ env: 'live' })).to.equal('2');
    });
    await withEnvironment({ NODE_ENV: 'test' }, async () => {
      expect(await connectionOf()).to.equal('3');
      expect(await connectionOf({ env: 'live' })).to.equal('2');
    });
  });

  it('has the migrations of the options', async () => {
    project.write(
      'knexfile.js',
      `export default { client: 'pg', migrations: { directory: 'a', tableName: 'b', schemaName: 'c' } }`,
    );
    const migrations = async (options: KnexOptions) => (await load(options))?.config.migrations;
    const given = { directory: 'a', tableName: 'b', schemaName: 'c' };
    expect(await migrations({})).to.deep.equal(given);
    expect(await migrations({ migrationsDirectory: 'd' })).to.deep.equal({ ...given, directory: 'd' });
    expect(await migrations({ migrationsTableName: 'd' })).to.deep.equal({ ...given, tableName: 'd' });
  });

  describe('is refused', () => {
    it('if an environment is named without one', async () => {
      const error = await refusalOf(load({ env: 'live' }), 'bad-options');
      expect(error.message).to.equal('There is no knexfile that has an environment live.');
    });

    it('if it does not exist', async () => {
      const error = await refusalOf(load({ knexfile: 'gone.js' }), 'bad-options');
      expect(error.message).to.equal(`The knexfile ${project.path('gone.js')} does not exist.`);
    });

    const cases: [string, string, RegExp, RegExp][] = [
      ['if it throws an error', 'throw new Error("first")', / cannot be loaded\.$/, /^first$/],
      ['if it throws something else', 'throw "second"', / cannot be loaded\.$/, /^second$/],
      [
        'if its function fails',
        'export default async () => { throw new Error("third") }',
        / cannot be loaded\.$/,
        /^third$/,
      ],
      [
        'if it has no client',
        'export default {}',
        /for the environment nowhere\.$/,
        /^It has none, and no client\.$/,
      ],
      [
        'if it has other environments',
        `export default { live: ${config('1')}, test: ${config('2')} }`,
        /has no configuration for the environment nowhere\.$/,
        /^It has live, test, and no client\.$/,
      ],
    ];
    for (const [title, text, message, reason] of cases)
      it(title, async () => {
        project.write('knexfile.js', text);
        const error = await refusalOf(load({ env: 'nowhere' }), 'bad-options');
        expect(error.message).to.match(message);
        expect(error.reason).to.match(reason);
        expect(process.cwd()).to.equal(project.folder);
      });

    it('with its own error, if that is one of this package', async () => {
      project.write(
        'knexfile.js',
        `import { undropConfig } from 'knex-undrop'; export default undropConfig({ seed: 1 })`,
      );
      const error = await refusalOf(load(), 'bad-options');
      expect(error.subject).to.equal('undropConfig');
    });
  });

  it('works in its folder, which is left after an error too', async () => {
    mkdirSync(project.path('db'));
    const work = within(project.path('db'), async () => {
      throw new Error(process.cwd());
    });
    expect(await work.catch(({ message }) => message)).to.equal(project.path('db'));
    expect(process.cwd()).to.equal(project.folder);
  });

  describe('gives migrations', () => {
    const drop = (name: string) =>
      `import { reversibleDrop } from 'knex-undrop';
       export const { up, down, ready } = reversibleDrop({ name: '${name}', tables: ['a'] });`;

    const of = (migrations: Knexfile['config']['migrations']) =>
      migrationsOf({
        path: project.path('knexfile.js'),
        folder: project.folder,
        config: migrations === undefined ? {} : { migrations },
      });
    const names = async (...args: Parameters<typeof of>) =>
      (await of(...args).load([])).map(({ name }) => name);

    it('of the folder migrations, in the order of their names', async () => {
      for (const name of ['2_b', '1_a', '10_c']) project.write(`migrations/${name}.js`, drop(name));
      project.write('migrations/3_ignored.mjs', drop('3_ignored'));
      const found = await of(undefined).load([]);
      expect(found.map(({ name, offered, waitsFor }) => [name, offered, waitsFor])).to.deep.equal(
        ['10_c', '1_a', '2_b'].map((name) => [
          name,
          true,
          'approval of a in APPROVED_DROPS or by undrop approve',
        ]),
      );
      expect(found.map(({ options }) => options?.name)).to.deep.equal(['10_c', '1_a', '2_b']);
    });

    it('of several folders, in the order in which Knex runs their files', async () => {
      project.write('one/2_a.js', drop('2_a'));
      project.write('one/3_b.mjs', drop('3_b'));
      project.write('two/1_c.js', drop('1_c'));
      const directory = ['./one', './two'];
      expect(await names({ directory })).to.deep.equal(['1_c', '2_a']);
      expect(await names({ directory, sortDirsSeparately: true })).to.deep.equal(['2_a', '1_c']);
      expect(await names({ directory, loadExtensions: ['.mjs'] })).to.deep.equal(['3_b']);
    });

    it('of other kinds, and those of which Node does not detect the exports', async () => {
      project.write('migrations/1_other.cjs', 'exports.up = () => {}; exports.down = () => {};');
      project.write(
        'migrations/2_hidden.cjs',
        `const hidden = { up() {}, ready: Object.assign(() => true, { waitsFor: 'rain' }) };
         module.exports = ((found) => found)(hidden);`,
      );
      const found = await of(undefined).load([]);
      expect(found).to.deep.equal([
        { name: '1_other', offered: true, waitsFor: null, options: undefined },
        { name: '2_hidden', offered: true, waitsFor: 'rain', options: undefined },
      ]);
    });

    it('of its source, unless it names folders too', async () => {
      project.write('found.js', drop('from_source'));
      project.write('migrations/1_a.js', drop('1_a'));
      const asked: unknown[] = [];
      const migrationSource = {
        getMigrations: async (extensions: readonly string[]) => {
          asked.push(extensions);
          return ['from_source.js'];
        },
        getMigrationName: (name: string) => name,
        getMigration: () => importModule(project.path('found.js')),
      } as never;
      const [found] = await of({ migrationSource }).load([]);
      expect(found).to.include({ name: 'from_source', offered: true });
      expect(found?.options?.name).to.equal('from_source');
      expect(asked).to.deep.equal([[]]);
      for (const more of [
        { directory: 'migrations' },
        { loadExtensions: ['.js'] },
        { sortDirsSeparately: false },
      ])
        expect(await names({ migrationSource, ...more })).to.deep.equal(['1_a']);
    });

    it('of undropConfig, with those that wait', async () => {
      project.write('steps/1_a.mjs', drop('1_a'));
      project.write(
        'steps/2_b.js',
        drop('2_b').replace("tables: ['a']", "tables: ['b'], approval: 'each-table'"),
      );
      project.write('steps/3_c.js', drop('3_c'));
      const { migrations } = undropConfig({ root: project.folder, migrations: 'steps' });
      const found = await of(migrations).load(['3_c.js']);
      expect(found.map(({ name, offered }) => [name, offered])).to.deep.equal([
        ['1_a', true],
        ['2_b', false],
        ['3_c', true],
      ]);
    });

    it('with the migrations table', () => {
      const ledger = (...args: Parameters<typeof of>) => of(...args).ledger;
      expect(ledger(undefined)).to.deep.equal({ tableName: 'knex_migrations', schemaName: undefined });
      const named = { tableName: 'moved', schemaName: 's' };
      expect(ledger(named)).to.deep.equal(named);
      const { migrations } = undropConfig({ root: project.folder });
      expect(ledger(migrations)).to.deep.equal({ tableName: 'knex_migrations', schemaName: 'undrop' });
    });

    it('refuses a folder that cannot be read', async () => {
      const error = await refusalOf(of({ directory: './nowhere' }).load([]), 'bad-options');
      expect(error.subject).to.equal(project.path('nowhere'));
      expect(process.cwd()).to.equal(project.folder);
    });
  });

  describe('opens its connection', () => {
    const server = useServer();
    const { database } = useDatabase(server);

    const lines: string[] = [];
    const open = (config: Knexfile['config']) =>
      logTo(
        (line) => lines.push(line),
        () => openKnexfile({ path: project.path('knexfile.js'), folder: project.folder, config }),
      );

    beforeEach(() => lines.splice(0));

    it('given as a URL, an object or a function, and prints the database once', async () => {
      const { port, ...rest } = server.config(database.name);
      for (const connection of [database.url, { port, ...rest }, async () => database.url] as const) {
        const knex = await open({ client: 'pg', connection: connection as string });
        try {
          expect((await knex.raw('select current_database() as name')).rows).to.deep.equal([
            { name: rest.database },
          ]);
        } finally {
          await knex.destroy();
        }
      }
      expect(lines).to.deep.equal([`Database: ${rest.database} at 127.0.0.1:${port} as ${rest.user}`]);
    });

    it('of undropConfig, which prints it itself when it is first used', async () => {
      const knex = await open(undropConfig({ root: project.folder, connection: 'postgres://127.0.0.1:1/d' }));
      await knex.destroy();
      expect(lines).to.deep.equal([]);
    });

    it('is refused where it cannot be reached, without the password', async () => {
      const connection = 'postgres://u:geheim@127.0.0.1:1/d';
      // Knex logs the error too.
      const log = { warn: () => {} };
      const error = await refusalOf(open({ client: 'pg', connection, log }), 'no-connection');
      expect(error.message).to.equal('Could not connect to d at 127.0.0.1:1 as u.');
      expect(`${error}`).not.to.include('geheim');
      expect(lines).to.deep.equal([]);
    });
  });
});

describe('importModule', () => {
  const project = useProject();

  it('names the loader that Node needs for it', async () => {
    project.write('file.unknown', '');
    const load = () => refusalOf(importModule(project.path('file.unknown')), 'bad-options');
    const error = await load();
    expect(error.reason).to.match(/^Node v\d+\S+ has no loader for it: .*\.unknown/);
    expect(error.next).to.match(/^Install tsx \(/);
    project.write('node_modules/tsx/package.json', '{ "main": "index.js" }');
    project.write('node_modules/tsx/index.js', '');
    expect((await load()).next).to.match(/^Set NODE_OPTIONS=--import=tsx, /);
  });

  it('passes its errors on', async () => {
    project.write('file.js', 'throw new RangeError("mine")');
    const error = await importModule(project.path('file.js')).catch((reason) => reason);
    expect(error).to.be.instanceOf(RangeError).and.not.instanceOf(UndropError);
  });
});
