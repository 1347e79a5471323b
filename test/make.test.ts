import { join, relative } from 'node:path';
import { expect } from 'chai';
import { type Made, type MakeOptions, makeMigrations } from '../src/make/make.ts';
import { findPlace, type Project } from '../src/make/place.ts';
import { type Draft, migrationText } from '../src/make/text.ts';
import { dropOptionsOf, type ReversibleDrop, reversibleDrop } from '../src/migration/reversible-drop.ts';
import type { Options } from '../src/options/options.ts';
import { refusalOf } from './support/migrate.ts';
import { useProject } from './support/source-project.ts';
import { useDatabase, useServer } from './support/use-database.ts';

const root = join(import.meta.dirname, '..');

// If code is searched, runs is a candidate, drafts a question; invoices has rows, and is kept.
const schema = `
  create table customers (id int primary key, name text);
  insert into customers values (1, 'Ada');
  create table runs (id int primary key, customer_id int references customers, recipe_id int);
  comment on table runs is 'Runs of recipes';
  create table drafts (id int);
  create table invoices (id int primary key, customer_id int references customers);
  insert into invoices values (1, 1), (2, null);
  create view open_invoices as select id from invoices;`;

describe('make', () => {
  const server = useServer();
  const { run, sql } = useDatabase(server, schema);
  const project = useProject();

  const make = (options: Partial<MakeOptions>, more: Partial<Project> = {}): Promise<Made> =>
    makeMigrations(
      run.knex,
      { root: project.folder, knexfile: undefined, ledger: undefined, ...more },
      { name: 'clean_up', tables: [], extension: 'js', ...options },
    );

  /** The paths in the project. */
  const filesOf = ({ files }: Made) => files.map(({ file }) => relative(project.folder, file));
  const textsOf = (made: Made) => filesOf(made).map((file) => project.read(file));

  async function optionsOf({ files }: Made): Promise<Options[]> {
    const found: Options[] = [];
    for (const { file } of files) {
      const options = dropOptionsOf((await project.load(file)).up);
      if (options === undefined) throw new Error(`${file} does not drop tables`);
      found.push(options);
    }
    return found;
  }

  const reasonsOf = ({ tables }: Options) => tables.map(({ written, reason }) => [written, reason]);
  const fingerprints = ({ migrations }: Made) =>
    migrations.flatMap(({ tables }) => tables.map(({ fingerprint }) => fingerprint));
  const relations = async () =>
    (
      await sql<{ name: string }>(
        `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')
       order by 1`,
      )
    ).map(({ name }) => name);

  describe('with tables', () => {
    it('writes one migration, which drops and restores them', async () => {
      const made = await make({ name: 'drop_runs', tables: ['runs'] });
      expect(filesOf(made)).to.have.length(1);
      expect(filesOf(made)[0]).to.match(/^migrations\/\d{14}_drop_runs\.js$/);
      const [{ file, migration } = { file: '', migration: '' }] = made.files;
      expect(textsOf(made)[0])
        .to.include(
          `import { reversibleDrop } from 'knex-undrop';

export const { up, down, ready } = reversibleDrop({
  name: '${migration}',
  tables: {
    runs: 'Empty, and no object references it; column recipe_id is named like a foreign key`,
        )
        .and.match(/ Comment: Runs of recipes\.',\n {2}},\n}\);\n$/);
      expect(made.database).to.equal(run.knex.client.database());
      expect(made.migrations.map((one) => [one.migration, one.state])).to.deep.equal([[migration, 'goes']]);

      const before = await relations();
      const drop = await project.load(file);
      await run.up(drop);
      expect(await relations()).to.deep.equal(before.filter((name) => name !== 'runs'));
      await run.down(drop);
      expect(await relations()).to.deep.equal(before);
      const again = await make({ name: 'again', tables: ['runs'] });
      expect(fingerprints(again)).to.deep.equal(fingerprints(made));
    });

    it('says what is dropped with them, and copies rows', async () => {
      const made = await make({ tables: ['invoices'] });
      expect(textsOf(made)[0]).to.include(`
  // State why each table can be dropped; the reasons are kept in the archive.
  tables: {
    invoices: '',
  },
  // Dropped and restored with the tables: view public.open_invoices.
  dependents: 'cascade',
  // Rows are copied into the archive, and restored with the tables: public.invoices (2 rows).
  rows: 'copy',
});
`);
      const before = await relations();
      const drop = await project.load(made.files[0]?.file ?? '');
      await run.up(drop);
      expect(await relations()).to.deep.equal(['customers', 'drafts', 'runs']);
      await run.down(drop);
      expect(await relations()).to.deep.equal(before);
      expect(await sql('select id from open_invoices order by id')).to.deep.equal([{ id: 1 }, { id: 2 }]);
    });

    it('moves tables that are large', async () => {
      await sql(`
        create table events (id int, text text);
        alter table events alter text set storage external;
        insert into events select n, repeat('x', 1000000) from generate_series(1, 11) as n`);
      const made = await make({ tables: ['events'] });
      expect(textsOf(made)[0]).to.include(
        `  // Rows are kept in the tables, which are moved into the archive and back: public.events (11 rows).\n  rows: 'move',\n`,
      );
      const drop = await project.load(made.files[0]?.file ?? '');
      await run.up(drop);
      expect(await relations()).not.to.include('events');
      await run.down(drop);
      expect(await sql('select count(*)::int, sum(length(text))::int from events')).to.deep.equal([
        { count: 11, sum: 11_000_000 },
      ]);
    });

    it('takes the reason that is given, and else that of the table to which the search path leads', async () => {
      await sql(`
        create schema app;
        create table app.runs (id int, machine_id int);
        comment on table app.runs is 'Runs of machines'`);
      const given = await make({ tables: ['runs', 'invoices'], reason: 'Moved.' });
      expect((await optionsOf(given)).map(reasonsOf)).to.deep.equal([
        [
          ['runs', 'Moved.'],
          ['invoices', 'Moved.'],
        ],
      ]);
      expect(textsOf(given)[0]).not.to.include('State why');
      const found = await make({ name: 'found', tables: ['runs', 'app.runs'] });
      const [[, first] = [], [, second] = []] = (await optionsOf(found)).flatMap(reasonsOf);
      expect(first).to.match(/Comment: Runs of recipes\.$/);
      expect(second).to.match(/Comment: Runs of machines\.$/);
    });

    it('writes into the folder of a project without a knexfile', async () => {
      const made = await make({ tables: ['runs'] }, { directory: 'db/steps' });
      expect(filesOf(made)[0]).to.match(/^db\/steps\/\d{14}_clean_up\.js$/);
    });
  });

  describe('from the audit', () => {
    /** Searches code that names this table. */
    const makeAll = (table = 'customers', options: Partial<MakeOptions> = {}) => {
      project.write('app.py', `db.run("select * from ${table}")\n`);
      return make({ code: [project.path('app.py')], ...options });
    };

    it('writes one migration of the candidates, and one of the questions, which waits for approval', async () => {
      const made = await makeAll();
      const [first = '', second = ''] = filesOf(made).map((file) => file.replace('migrations/', ''));
      expect(first).to.match(/^\d{14}_clean_up\.js$/);
      expect(second).to.match(/^\d{14}_clean_up_questions\.js$/);
      expect(first < second).to.equal(true);
      expect(made.migrations.map(({ state }) => state)).to.deep.equal(['goes', 'waits']);
      const [candidates, questions] = await optionsOf(made);
      expect(candidates).to.include({ approval: 'none', dependents: 'refuse', rows: 'refuse' });
      expect(candidates?.tables.map(({ written }) => written)).to.deep.equal(['runs']);
      expect(questions).to.include({ approval: 'each-table', dependents: 'refuse', rows: 'refuse' });
      expect(questions?.tables.map(({ written }) => written)).to.deep.equal(['drafts']);
      expect(questions?.tables[0]?.reason).to.match(/^Empty, and no object references it; /);
      expect(textsOf(made)[1]).to.include(
        `  // Only approved tables are dropped: undrop approve, or the variable APPROVED_DROPS.\n  approval: 'each-table',\n`,
      );
    });

    it('follows decisions, and searches code', async () => {
      project.write('decisions.json', JSON.stringify({ drafts: { decision: 'drop', reason: 'Never used' } }));
      const made = await makeAll('runs');
      expect((await optionsOf(made)).map(reasonsOf)).to.deep.equal([[['drafts', 'Never used.']]]);
      project.write('other.json', JSON.stringify({ drafts: { decision: 'keep', reason: 'In use' } }));
      const none = await makeAll('runs', { decisions: project.path('other.json') });
      expect(none).to.deep.equal({ database: made.database, files: [], migrations: [] });
    });

    it('writes the schema only of tables to which the search path does not lead', async () => {
      await sql(`
        create schema app;
        create table app.drafts (id int);
        create table app."Old ""runs""" (id int)`);
      const [, questions] = await optionsOf(await makeAll());
      expect(
        questions?.tables.map(({ schema, name, written }) => [schema, name, written]),
      ).to.have.deep.members([
        [undefined, 'drafts', 'drafts'],
        ['app', 'drafts', 'app.drafts'],
        ['app', 'Old "runs"', 'app."Old ""runs"""'],
      ]);
    });
  });

  describe('writes nothing', () => {
    const cases: [string, Partial<MakeOptions>, Parameters<typeof refusalOf>[1], RegExp][] = [
      ['for a table that does not exist', { tables: ['runs', 'gone'] }, 'missing-table', /gone/],
      ['for a view', { tables: ['open_invoices'] }, 'not-a-table', /open_invoices/],
      ['with an unknown extension', { tables: ['runs'], extension: 'coffee' }, 'bad-options', /"coffee"/],
      ['with decisions that do not exist', { decisions: 'gone.json' }, 'bad-options', /gone\.json/],
    ];
    for (const [title, options, code, words] of cases)
      it(title, async () => {
        const { message, reason } = await refusalOf(make(options), code);
        expect(`${message} ${reason}`).to.match(words);
        expect(project.list('migrations')).to.deep.equal([]);
      });

    it('with a name that a file cannot have', async () => {
      for (const name of ['', '-x', '../x', 'a\\b', 'a\nb', 'a\u0000', '\ud800']) {
        const error = await refusalOf(make({ name, tables: ['runs'] }), 'bad-options');
        expect(error.message).to.equal(`${JSON.stringify(name)} cannot be the name of a migration.`);
      }
      expect(project.list('migrations')).to.deep.equal([]);
    });

    /** Writes files of this name for the next minute. */
    function occupy(name: string): string[] {
      const now = Date.now();
      const files = Array.from({ length: 60 }, (_, second) => {
        const time = new Date(now + second * 1000).toISOString().replaceAll(/\D/g, '').slice(0, 14);
        return `${time}_${name}.js`;
      });
      for (const file of files) project.write(`migrations/${file}`, 'mine');
      return files;
    }

    it('over a file that exists, and removes what it has written before', async () => {
      const files = occupy('clean_up_questions');
      const work = make({ code: [project.path('package.json')] });
      const error = await refusalOf(work, 'name-taken');
      expect(error.reason).to.equal('A migration is never overwritten.');
      expect(project.list('migrations')).to.deep.equal(files);
      for (const file of files) expect(project.read(`migrations/${file}`)).to.equal('mine');
    });

    it('into a folder that is a file', async () => {
      project.write('migrations', 'mine');
      const error = await refusalOf(make({ tables: ['runs'] }), 'bad-options');
      expect(error.message).to.match(/migrations\/\d{14}_clean_up\.js cannot be written\.$/);
      expect(project.read('migrations')).to.equal('mine');
    });
  });
});

describe('the place of a new migration', () => {
  const project = useProject();

  const place = (config: object, path = 'knexfile.js', extension?: string) => {
    const { folder } = project;
    const knexfile = { path: join(folder, path), folder, config };
    const found = findPlace({ root: folder, knexfile, ledger: undefined, directory: 'ignored' }, extension);
    return [relative(folder, found.folder), found.extension, found.syntax];
  };

  const cases: [string, Parameters<typeof place>, ReturnType<typeof place>][] = [
    ['is the folder migrations by default', [{}], ['migrations', 'js', 'module']],
    ['has the extension of the knexfile', [{}, 'knexfile.ts'], ['migrations', 'ts', 'module']],
    ['has that of the option ext', [{ ext: 'MTS' }], ['migrations', 'mts', 'module']],
    [
      'has rather that of the option extension',
      [{ ext: 'ts', migrations: { extension: 'cjs' } }],
      ['migrations', 'cjs', 'commonjs'],
    ],
    [
      'has rather that which is given',
      [{ migrations: { extension: 'cjs' } }, 'knexfile.ts', 'mjs'],
      ['migrations', 'mjs', 'module'],
    ],
    [
      'is the last of several folders',
      [{ migrations: { directory: ['a', 'b/c'] } }],
      ['b/c', 'js', 'module'],
    ],
    [
      'is the default if no folder is named',
      [{ migrations: { directory: [] } }],
      ['migrations', 'js', 'module'],
    ],
    [
      'is the folder of undropConfig',
      [{ migrations: { migrationSource: { undropFolder: 'steps' } } }],
      ['steps', 'js', 'module'],
    ],
    [
      'is the default with another source',
      [{ migrations: { migrationSource: {} } }],
      ['migrations', 'js', 'module'],
    ],
  ];
  for (const [title, args, found] of cases) it(title, () => expect(place(...args)).to.deep.equal(found));

  it('requires the package in a project of CommonJS', () => {
    for (const text of ['{}', 'not JSON']) {
      project.write('package.json', text);
      expect(place({})).to.deep.equal(['migrations', 'js', 'commonjs']);
      expect(place({}, 'knexfile.mjs')).to.deep.equal(['migrations', 'mjs', 'module']);
    }
  });

  it('imports the sources in this repository', () => {
    const knexfile = { path: join(root, 'knexfile.ts'), folder: root, config: {} };
    expect(findPlace({ root, knexfile, ledger: undefined })).to.deep.equal({
      folder: join(root, 'migrations'),
      extension: 'ts',
      syntax: 'module',
      source: '../src/index.ts',
    });
  });
});

describe('the text of a new migration', () => {
  const project = useProject();

  it('reads back as it is, whatever the names and reasons', async () => {
    const names = [
      'p',
      'it"s',
      "it's",
      'a\nb',
      '\\"',
      'x*/y',
      '\u2028\u202e',
      '$' + '{1}',
      '`',
      '\\u0061',
      'constructor',
    ];
    const tables = JSON.parse(
      `{${names.map((name) => `${JSON.stringify(`"${name.replaceAll('"', '""')}"`)}: ${JSON.stringify(name)}`).join(',')}, "__proto__": "x"}`,
    );
    const draft: Draft = {
      options: { name: '1_hostile', tables },
      notes: { tables: 'first\nexport default 1; \u2028 second' },
    };
    const reads = (up: unknown) =>
      expect(dropOptionsOf(up)?.tables.map(({ written, reason }) => [written, reason])).to.deep.equal(
        Object.entries(tables),
      );
    const textOf = (syntax: 'module' | 'commonjs') => migrationText(draft, { syntax, source: 'knex-undrop' });
    project.write('a.mjs', textOf('module'));
    reads((await project.load('a.mjs')).up);
    // Required as a file, it would load all sources a second time, as CommonJS.
    const module: { exports?: ReversibleDrop } = {};
    new Function('require', 'module', textOf('commonjs'))(() => ({ reversibleDrop }), module);
    reads(module.exports?.up);
  });
});
