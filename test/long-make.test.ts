import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import createKnex from 'knex';
import { seed } from '../seeds/01_turing.ts';
import { dropOptionsOf } from '../src/migration/reversible-drop.ts';
import { succeeded } from './support/command.ts';
import { pgDump } from './support/pg-dump.ts';
import type { TestDatabase } from './support/server.ts';
import { makeStockProject, type StockProject } from './support/stock-project.ts';
import { useServer } from './support/use-database.ts';

const root = join(import.meta.dirname, '..');
const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

const schema = `
  create table customers (id int primary key, name text);
  insert into customers values (1, 'Ada');
  create table runs (id int primary key, customer_id int references customers, recipe_id int);
  create table invoices (id int primary key, customer_id int references customers);
  insert into invoices values (1, 1), (2, null);
  create view open_invoices as select id from invoices;
  comment on table runs is 'Runs of recipes';`;

/** The extensions, with the knexfile of a project of each kind. */
const kinds: Readonly<
  Record<string, { type?: 'commonjs'; files: Readonly<Record<string, string>>; begin: string }>
> = {
  js: {
    files: { 'knexfile.js': `export default { client: 'pg', connection: process.env.DATABASE_URL };\n` },
    begin: `import { reversibleDrop } from 'knex-undrop';\n\nexport const { up, down, ready } = reversibleDrop({\n`,
  },
  cjs: {
    type: 'commonjs',
    files: {
      'knexfile.js': `module.exports = { test: { client: 'pg', connection: process.env.DATABASE_URL,
        migrations: { directory: ['db/old', 'db/new'], extension: 'cjs' } } };\n`,
    },
    begin: `const { reversibleDrop } = require('knex-undrop');\n\nmodule.exports = reversibleDrop({\n`,
  },
  ts: {
    files: {
      'knexfile.ts': `import type { Knex } from 'knex';
        const config: Knex.Config = { client: 'pg', connection: process.env.DATABASE_URL ?? '' };
        export default config;\n`,
    },
    begin: `import { reversibleDrop } from 'knex-undrop';\n\nexport const { up, down, ready } = reversibleDrop({\n`,
  },
};

describe('make', () => {
  const server = useServer();
  let database: TestDatabase;
  let project: StockProject;

  beforeEach(async () => {
    database = await server.createDatabase();
    await server.sql(database.name, schema);
    project = makeStockProject();
  });

  afterEach(async () => {
    nodeOptions = '';
    project.remove();
    await server.dropDatabase(database.name);
  });

  let nodeOptions = '';
  const env = () => ({ DATABASE_URL: database.url, NODE_ENV: 'test', NODE_OPTIONS: nodeOptions });
  const run = (command: string) => project.run(`node_modules/.bin/${command}`, env());
  const dump = () =>
    pgDump(database.url, ['--exclude-schema=undrop', '--exclude-table=public.knex_migrations*']);

  const good = (command: string) => succeeded(run(command));

  async function made(args: string) {
    const { stdout } = await good(`undrop make ${args}`);
    const files = stdout.split('\n\n')[0]?.split('\n') ?? [];
    return { stdout, files, texts: files.map((file) => readFileSync(join(project.folder, file), 'utf8')) };
  }

  for (const [extension, { type, files, begin }] of Object.entries(kinds)) {
    it(`writes a migration with the extension ${extension}, which drops and restores`, async () => {
      if (extension === 'ts') nodeOptions = `--import=${loader}`;
      rmSync(join(project.folder, 'knexfile.js'));
      rmSync(join(project.folder, 'migrations'), { recursive: true });
      if (type !== undefined) project.write('package.json', JSON.stringify({ private: true, type }));
      for (const [file, text] of Object.entries(files)) project.write(file, text);
      const folder = extension === 'cjs' ? 'db/new' : 'migrations';
      if (extension === 'cjs') mkdirSync(join(project.folder, 'db/old'), { recursive: true });

      const {
        stdout,
        files: [file = ''],
        texts: [text = ''],
      } = await made('drop_runs runs');
      expect(file).to.match(new RegExp(`^${folder}/\\d{14}_drop_runs\\.${extension}$`));
      const [, name = ''] = /\/(\d{14}_drop_runs)/.exec(file) ?? [];
      expect(text).to.include(
        `${begin}  name: '${name}',\n  tables: {\n    runs: 'Empty, and no object references it; `,
      );
      expect(text)
        .to.include('column recipe_id is named like a foreign key')
        .and.include('Comment: Runs of recipes.');
      expect(text).not.to.match(/^ {2}(rows|dependents|approval):/m);
      expect(stdout).to.include(`${name}: up would drop its tables`);

      const before = await dump();
      expect((await good('knex migrate:latest')).stderr).to.include('1 table dropped');
      expect(await dump()).not.to.include('runs');
      await good('knex migrate:rollback');
      expect(await dump()).to.equal(before);
    });
  }

  it('sets rows and dependents where the tables need them, each with a comment', async () => {
    const {
      texts: [text = ''],
      stdout,
    } = await made('drop_invoices invoices');
    expect(text).to.include(
      `  // Dropped and restored with the tables: view public.open_invoices.\n  dependents: 'cascade',\n` +
        `  // Rows are copied into the archive, and restored with the tables: public.invoices (2 rows).\n  rows: 'copy',\n`,
    );
    // The audit keeps a table with rows, so it has no reason to drop it.
    expect(text).to.include(`  // State why each table can be dropped; `).and.include(`    invoices: '',\n`);
    expect(stdout).to.include('up would drop its tables').and.include('view public.open_invoices');
    const before = await dump();
    await good('knex migrate:latest');
    await good('knex migrate:rollback');
    expect(await dump()).to.equal(before);
  });

  it('takes the reason from --reason, and the extension from -x', async () => {
    const ran = await project.run(
      'node_modules/.bin/undrop make drop_invoices invoices -x mjs --json --reason Moved.',
      env(),
    );
    expect(ran.status, ran.text).to.equal(0);
    const { command, files, migrations } = JSON.parse(ran.stdout);
    expect(command).to.equal('make');
    expect(files[0].file).to.match(/\.mjs$/);
    expect(readFileSync(files[0].file, 'utf8')).to.include(`invoices: 'Moved.'`);
    expect(migrations[0]).to.include({ migration: files[0].migration, state: 'goes' });
  });

  it('writes into the folder of undropConfig, or of --migrations', async () => {
    const config = `import { undropConfig } from 'knex-undrop';
       export default undropConfig({ root: import.meta.dirname, migrations: 'db/steps' });`;
    project.write('knexfile.js', config);
    expect((await made('drop_runs runs --migrations other')).files[0]).to.match(
      /^other\/\d{14}_drop_runs\.js$/,
    );
    rmSync(join(project.folder, 'knexfile.js'));
    expect((await made('drop_runs runs --migrations third')).files[0]).to.match(
      /^third\/\d{14}_drop_runs\.js$/,
    );
    project.write('knexfile.js', config);
    expect((await made('drop_runs runs')).files[0]).to.match(/^db\/steps\/\d{14}_drop_runs\.js$/);
  });

  it('never overwrites a file', async () => {
    for (let second = 0; second < 30; second++) {
      const time = new Date(Date.now() + second * 1000).toISOString().replaceAll(/\D/g, '').slice(0, 14);
      project.write(`migrations/${time}_drop_runs.js`, 'mine');
    }
    const ran = await run('undrop make drop_runs runs');
    expect(ran.status, ran.text).to.equal(3);
    expect(ran.stderr).to.include('name-taken').and.include('A migration is never overwritten.');
    const folder = join(project.folder, 'migrations');
    for (const file of readdirSync(folder)) expect(readFileSync(join(folder, file), 'utf8')).to.equal('mine');
  });

  it('writes nothing if a table does not exist, a name has a slash, or nothing is asked for', async () => {
    const cases: [string, number, string][] = [
      ['drop_gone gone', 3, 'missing-table'],
      ['drop_view open_invoices', 3, 'not-a-table'],
      ['../drop_runs runs', 2, 'bad-options'],
      ['drop_runs', 2, 'name either tables, or --from-audit'],
      ['drop_runs runs --from-audit', 2, 'name either tables, or --from-audit'],
      ['drop_runs runs -x coffee', 2, 'bad-options'],
    ];
    for (const [args, status, words] of cases) {
      const ran = await run(`undrop make ${args}`);
      expect(ran.status, ran.text).to.equal(status);
      expect(ran.stderr).to.include(words);
    }
    expect(readdirSync(join(project.folder, 'migrations'))).to.deep.equal([]);
  });

  it('says so if the audit finds nothing', async () => {
    await server.sql(database.name, 'drop table runs');
    const { stdout } = await good('undrop make clean_up --from-audit');
    expect(stdout).to.include('no candidates and no questions');
    expect(readdirSync(join(project.folder, 'migrations'))).to.deep.equal([]);
  });

  describe('--from-audit, on the seeded turing', () => {
    /** What the reasons of the shipped migrations and of the audit have in common. */
    const substance: Readonly<Record<string, RegExp>> = {
      production_runs: /recipe_runs.*workflow_runs/,
      test_cases_history: /variations/,
      career_analyses: /recipe/i,
      dialogue_step_placeholders: /placeholders|template substitution/i,
      trigger_executions: /no (object )?references/i,
      workflow_scripts: /stored_scripts/,
      interaction_lineage: /graph/i,
      // People know where the same facts are kept; the database shows only that the tables are not used.
      workflow_dependencies: /\w/,
      organizations: /\w/,
    };

    it('writes the shipped migrations, in tables and substance', async () => {
      await server.sql(database.name, 'drop schema public cascade; create schema public');
      const knex = createKnex({ client: 'pg', connection: server.config(database.name) });
      await seed(knex).finally(() => knex.destroy());
      writeFileSync(join(project.folder, 'decisions.json'), readFileSync(join(root, 'decisions.json')));

      project.write('run.py', 'db.run("select * from workflow_runs")\n');
      const { files, stdout } = await made('cleanup --from-audit --code run.py');
      expect(files).to.have.length(2);
      expect(files[0]).to.match(/_cleanup\.js$/);
      expect(files[1]).to.match(/_cleanup_questions\.js$/);
      expect(stdout)
        .to.match(/_cleanup: up would drop its tables/)
        .and.match(/_questions: waits for approval/);
      const shipped = ['044_cleanup_legacy_tables', '045_cleanup_optional_tables'];
      for (const [index, name] of shipped.entries()) {
        const load = async (path: string) => dropOptionsOf((await import(pathToFileURL(path).href)).up);
        const ours = await load(join(root, 'migrations', `${name}.ts`));
        const written = await load(join(project.folder, files[index] ?? ''));
        const reasons = (options: typeof ours) =>
          new Map(options?.tables.map((table) => [table.written, table.reason ?? '']));
        expect([...reasons(written).keys()]).to.have.members([...reasons(ours).keys()]);
        expect(written).to.include({
          approval: ours?.approval,
          rows: ours?.rows,
          dependents: ours?.dependents,
        });
        for (const options of [ours, written])
          for (const [table, reason] of reasons(options))
            expect(reason, table).to.match(substance[table] ?? /^$/);
        for (const reason of reasons(written).values())
          expect(reason).to.match(/^Empty, and no object references it; .*0 rows written since/);
      }
      expect(existsSync(join(project.folder, 'migrations'))).to.equal(true);
    });
  });
});
