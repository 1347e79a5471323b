import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { majors } from './support/binaries.ts';
import type { Ran } from './support/command.ts';
import { nativeOrSkip, wholeText } from './support/pg-dump.ts';
import type { TestDatabase } from './support/server.ts';
import { makeStockProject, type StockProject } from './support/stock-project.ts';
import { useServer } from './support/use-database.ts';

const root = join(import.meta.dirname, '..');
const doc = readFileSync(join(root, 'docs/pipelines.md'), 'utf8');
const blocks = (language: string) =>
  [...doc.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, text = '']) => text,
  );
const [script = ''] = blocks('sh');

/** Returns all strings in a YAML document. */
function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(texts) : [];
}

describe('.github/workflows/ci.yml', () => {
  const { on, jobs } = parse(readFileSync(join(root, '.github/workflows/ci.yml'), 'utf8'));

  it('runs everything, and each server, with each version of Node in the README', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const [, named = ''] = /^PostgreSQL 14 to 18.*; tested with ((?:\d+, )+\d+ and \d+)/m.exec(readme) ?? [];
    const nodes = named.split(/, | and /).map(Number);
    expect(jobs.everything.strategy.matrix).to.deep.equal({ node: nodes });
    expect(jobs.servers.strategy.matrix).to.deep.equal({ node: nodes, server: [...majors, 'embedded'] });
    expect(texts(jobs.everything.steps)).to.include('bash .ci/run');
  });

  it('runs the newest minor version of each major version every week', () => {
    expect(on.schedule).to.deep.equal([{ cron: '17 5 * * 1' }]);
    expect(jobs.newest.strategy.matrix).to.deep.equal({ server: majors });
    const [start] = texts(jobs.newest.steps).filter((text) => text.startsWith('docker run '));
    // biome-ignore lint/suspicious/noTemplateCurlyInString: so it is written there
    expect(start).to.include(' postgres:${{ matrix.server }} -c wal_level=logical ');
    expect(start).not.to.include('\n -c');
  });
});

describe('docs/pipelines.md', () => {
  it('has valid YAML for GitHub, GitLab and Kubernetes', () => {
    const [github, gitlab, kubernetes, ...others] = blocks('yaml').map((text) => parse(text));
    expect(others).to.deep.equal([]);
    expect(Object.keys(github.jobs)).to.deep.equal(['preflight', 'drop']);
    expect(gitlab.stages).to.include.members([gitlab.preflight.stage, gitlab.drop.stage]);
    expect(kubernetes).to.include({ apiVersion: 'batch/v1', kind: 'Job' });
  });

  it('uses existing commands and options', () => {
    const inYaml = blocks('yaml').flatMap((text) => texts(parse(text)));
    const used = [script, ...inYaml].flatMap((text) => [...text.matchAll(/npx undrop ([a-z-]+)([^>;\n]*)/g)]);
    expect(used.length).to.be.greaterThan(5);
    for (const [line, command = '', rest = ''] of used) {
      const source = readFileSync(join(root, `scripts/${command}.ts`), 'utf8');
      const known = [...source.matchAll(/'(--[a-z-]+)/g)].map(([, option]) => option);
      const options = [...rest.matchAll(/--[a-z-]+/g)].map(([option]) => option);
      expect([...known, '--format'], line).to.include.members(options);
      if (rest.includes('--format markdown')) expect(source, line).to.include("'markdown'");
    }
  });

  describe('undrop.sh, as printed', () => {
    const server = useServer();
    let project: StockProject;
    let database: TestDatabase;

    before(async function () {
      await nativeOrSkip(this, server.major);
      project = makeStockProject();
      project.write('undrop.sh', script);
      project.write(
        'migrations/1_create.js',
        `export const up = (knex) => knex.schema
           .raw('create table kept (id int primary key)')
           .raw('create table old_runs (id serial primary key, kept_id int references kept)');
         export const down = () => {};`,
      );
      project.write(
        'migrations/2_drop.js',
        `import { reversibleDrop } from 'knex-undrop';
         export const { up, down, ready } = reversibleDrop({
           name: import.meta.filename, tables: ['old_runs'], backup: 'required' });`,
      );
    });

    after(() => project?.remove());

    beforeEach(async () => {
      database = await server.createDatabase();
      await knex('migrate:up 1_create.js');
    });

    afterEach(() => server.dropDatabase(database.name));

    const env = () => ({ DATABASE_URL: database.url });
    const knex = async (command: string) => {
      const ran = await project.run(`node_modules/.bin/knex ${command}`, env());
      expect(ran.status, ran.text).to.equal(0);
    };
    const runScript = (): Promise<Ran> => project.run('sh undrop.sh', env());
    const recorded = async () =>
      (await server.sql<{ name: string }>(database.name, 'select name from knex_migrations order by id')).map(
        ({ name }) => name,
      );
    const dump = async () => (await wholeText(database.url)).replace(/^.*knex_migrations.*$/gm, '');

    it('drops, and does not roll back in a later run', async () => {
      const ran = await runScript();
      expect(ran.status, ran.text).to.equal(0);
      expect(ran.stderr).to.include('2_drop: 1 table dropped');
      expect(ran.stdout).to.match(/^ok +nothing else changed/m);
      expect(await recorded()).to.deep.equal(['1_create.js', '2_drop.js']);
      const comment = readFileSync(join(project.folder, 'preflight.md'), 'utf8');
      expect(comment).to.include('2_drop').and.include('old_runs');

      await server.sql(database.name, 'create table old_runs ()');
      const again = await runScript();
      expect(again.status, again.text).to.equal(1);
      expect(again.stdout).to.match(/^failed +dropped tables are absent/m);
      expect(await recorded(), 'nothing ran that could be rolled back').to.have.length(2);
    });

    it('rolls back if other objects have changed', async () => {
      project.write(
        'migrations/3_meddle.js',
        `export const up = (knex) => knex.schema.raw('alter table kept alter id set default 7');
         export const down = (knex) => knex.schema.raw('alter table kept alter id drop default');`,
      );
      const before = await dump();
      const ran = await runScript();
      expect(ran.status, ran.text).to.equal(1);
      expect(ran.text).to.match(/^failed +nothing else changed +changed: /m);
      expect(ran.stderr).to.include('2_drop: 1 table restored');
      expect(await recorded()).to.deep.equal(['1_create.js']);
      expect(await dump()).to.equal(before);
    });
  });
});
