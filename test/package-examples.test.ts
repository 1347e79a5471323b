import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, parse } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { succeeded } from './support/command.ts';
import { pgDump } from './support/pg-dump.ts';
import type { TestDatabase } from './support/server.ts';
import { makeStockProject, type StockProject } from './support/stock-project.ts';
import { useServer } from './support/use-database.ts';

const folder = join(import.meta.dirname, '../examples');
const read = (file: string) => readFileSync(join(folder, file), 'utf8');
const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

describe('examples, in a stock project', () => {
  const server = useServer();
  let database: TestDatabase;
  let project: StockProject;

  before(async () => {
    project = makeStockProject();
    database = await server.createDatabase();
    await server.sql(database.name, read('schema.sql'));
  });

  after(async () => {
    project.remove();
    await server.dropDatabase(database.name);
  });

  const knex = (command: string) => {
    const env = { DATABASE_URL: database.url, NODE_OPTIONS: `--import=${loader}` };
    return succeeded(project.run(`node_modules/.bin/knex ${command}`, env));
  };
  const dump = () =>
    pgDump(database.url, ['--exclude-schema=undrop', '--exclude-table=public.knex_migrations*']);

  const examples = readdirSync(folder)
    .filter((file) => file.endsWith('.ts'))
    .map((file): [string, string] => [file, read(file)]);
  for (const [file, text] of examples) {
    it(`${file} drops and restores its tables`, async () => {
      project.write(`migrations/${file}`, text);
      const before = await dump();
      const { stderr } = await knex('migrate:latest');
      const [, dropped] = new RegExp(`^${parse(file).name}: (\\d+) tables? dropped`, 'm').exec(stderr) ?? [];
      expect(countTables(before) - countTables(await dump())).to.equal(Number(dropped));
      await knex('migrate:rollback');
      expect(await dump()).to.equal(before);
      rmSync(join(project.folder, 'migrations', file));
    });
  }
});

function countTables(dump: string): number {
  return dump.match(/^CREATE TABLE /gm)?.length ?? 0;
}
