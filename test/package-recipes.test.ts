import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { terminal } from './support/packed.ts';
import { nativeOrSkip, pgDump } from './support/pg-dump.ts';
import type { TestDatabase } from './support/server.ts';
import { makeStockProject, type StockProject } from './support/stock-project.ts';
import { useServer } from './support/use-database.ts';

const root = join(import.meta.dirname, '..');
const schema = readFileSync(join(root, 'examples/schema.sql'), 'utf8');
const doc = readFileSync(join(root, 'docs/recipes.md'), 'utf8');

interface Block {
  readonly language: string;
  readonly text: string;
}

/** The recipes by their headings. Blocks in lists are indented. */
const recipes = new Map(
  doc
    .split(/^## /m)
    .slice(1)
    .map((part): [string, Block[]] => [
      part.split('\n')[0] ?? '',
      [...part.matchAll(/^( *)```(js|sh)\n(.*?)^ *```$/gms)].map(
        ([, indent = '', language = '', text = '']) => ({
          language,
          text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
        }),
      ),
    ]),
);

describe('docs/recipes.md, each recipe in a project of its own', () => {
  const server = useServer();
  let database: TestDatabase;
  let project: StockProject;
  let environment: Record<string, string>;

  beforeEach(async () => {
    database = await server.createDatabase();
    project = makeStockProject();
    environment = { DATABASE_URL: database.url };
    mkdirSync(join(project.folder, 'src'));
    project.write('src/app.js', `await knex('customers').select();\n`);
  });

  afterEach(async () => {
    project.remove();
    await server.dropDatabase(database.name);
  });

  /** Writes the files of a recipe and runs its commands. Returns the output of each block of commands. */
  async function follow(heading: string): Promise<string[]> {
    const blocks = recipes.get(heading);
    if (blocks === undefined) throw new Error(`${heading}: no such recipe`);
    const said: string[] = [];
    for (const { language, text } of blocks) {
      const [, file] = /^\/\/ (\S+)\n/.exec(text) ?? [];
      if (language === 'sh') said.push(await shell(text));
      else writeFileSync(join(project.folder, file ?? ''), text);
    }
    return said;
  }

  async function shell(text: string): Promise<string> {
    const clean = terminal();
    const env = {
      ...clean,
      PATH: `${join(project.folder, 'node_modules/.bin')}${delimiter}${clean.PATH}`,
      ...environment,
    };
    const options = { cwd: project.folder, env };
    const { stdout } = await promisify(execFile)('sh', ['-ec', `exec 2>&1\n${text}`], options).catch(
      (error) => {
        throw new Error(`${error.message}\n${error.stdout}`, { cause: error });
      },
    );
    return stdout;
  }

  const dump = (url = database.url) =>
    pgDump(url, ['--exclude-schema=undrop*', '--exclude-table=*.knex_migrations*']);

  it('tests every recipe', function () {
    const tested = this.test?.parent?.tests.map(({ title }) => title) ?? [];
    expect(tested).to.include.members([...recipes.keys()]);
  });

  it('An unused table found in production', async () => {
    await server.sql(database.name, schema);
    const [said] = await follow('An unused table found in production');
    expect(said)
      .to.include('1 table dropped')
      .and.match(/^ok +nothing else changed/m);
    expect(await dump()).not.to.include('CREATE TABLE public.old_runs');
  });

  it('A table with 100 GB', async () => {
    await server.sql(database.name, schema);
    const [dropped = '', given = ''] = await follow('A table with 100 GB');
    expect(dropped)
      .to.include('move writes less than')
      .and.include('1 table moved into the archive')
      .and.include('undrop_moved_');
    expect(given).to.include('public.invoices');
    expect(await dump()).not.to.include('CREATE TABLE public.invoices');
    expect(await server.sql(database.name, `select from pg_class where relname = 'invoices'`)).to.have.length(
      0,
    );
  });

  it('Drop a table of every tenant', async () => {
    for (const tenant of ['acme', 'globex'])
      await server.sql(
        database.name,
        `create schema ${tenant}; create table ${tenant}.old_runs (id int primary key);
          insert into ${tenant}.old_runs values (1)`,
      );
    const [said] = await follow('Drop a table of every tenant');
    expect(said).to.match(/^refused:$/m);
    expect(await dump())
      .to.include('CREATE TABLE globex.old_runs')
      .and.not.include('CREATE TABLE acme.old_runs');
  });

  it('Zero downtime, in three releases', async () => {
    await server.sql(database.name, schema);
    const [audited, dropped, pruned] = await follow('Zero downtime, in three releases');
    expect(audited).to.include('old_runs');
    expect(dropped)
      .to.include('1 table moved into the archive')
      .and.match(/^ok +code names no dropped table/m);
    expect(pruned).to.include('20261201090000_drop_old_runs');
  });

  it('Undo after a week', async () => {
    await server.sql(database.name, schema);
    const before = await dump();
    const [said] = await follow('Undo after a week');
    expect(said).to.include('1 table dropped').and.include('1 table restored');
    await shell('npx knex migrate:down 20261207090000_add_phone.js');
    expect(await dump()).to.equal(before);
  });

  it('After a major upgrade of PostgreSQL', async function () {
    await nativeOrSkip(this, server.major);
    await server.sql(database.name, schema);
    const before = await dump();
    const migration = recipes.get('A table with 100 GB')?.[0]?.text.replace("'move'", "'copy'") ?? '';
    project.write('migrations/20261201090000_drop_invoices.js', migration);
    await shell('npx knex migrate:latest');
    const newer = await server.createDatabase();
    try {
      environment = { OLD_URL: database.url, DATABASE_URL: newer.url };
      const [said] = await follow('After a major upgrade of PostgreSQL');
      expect(said).to.include('1 table with 500 rows restored');
      expect(await dump(newer.url)).to.equal(before);
    } finally {
      await server.dropDatabase(newer.name);
    }
  });
});
