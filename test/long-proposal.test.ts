import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import createKnex from 'knex';
import { seed } from '../seeds/01_turing.ts';
import { legacyTables, optionalTables, waitingTables } from '../seeds/turing/names.ts';
import { succeeded } from './support/command.ts';
import { pgDump } from './support/pg-dump.ts';
import type { TestDatabase } from './support/server.ts';
import { makeStockProject, type StockProject } from './support/stock-project.ts';
import { useServer } from './support/use-database.ts';

const root = join(import.meta.dirname, '..');

describe('proposal', () => {
  const server = useServer();
  let database: TestDatabase;
  let project: StockProject;
  let seeded: string;

  before(async () => {
    database = await server.createDatabase();
    const knex = createKnex({ client: 'pg', connection: server.config(database.name) });
    await seed(knex).finally(() => knex.destroy());
    seeded = await dump();
    project = makeStockProject();
    project.write(
      'knexfile.js',
      `import { undropConfig } from 'knex-undrop';\nexport default undropConfig({ root: import.meta.dirname });\n`,
    );
    project.write('run.py', 'db.run("select * from workflow_runs")\n');
    writeFileSync(join(project.folder, 'decisions.json'), readFileSync(join(root, 'decisions.json')));
  });

  after(async () => {
    project.remove();
    await server.dropDatabase(database.name);
  });

  const run = (command: string, env = {}) =>
    project.run(`node_modules/.bin/${command}`, { DATABASE_URL: database.url, CODE_ROOTS: 'run.py', ...env });
  const dump = () => pgDump(database.url, ['--exclude-schema=undrop']);
  const read = (file: string) => readFileSync(join(project.folder, file), 'utf8');

  const good = (command: string, env = {}) => succeeded(run(command, env));

  async function refused(command: string, status: number, code: string) {
    const ran = await run(command);
    expect(ran.status, ran.text).to.equal(status);
    expect(ran.stderr).to.include(`${code}:`);
    return ran;
  }

  async function count(): Promise<number> {
    return (await good('undrop count-tables')).stdout.trim().split('\n').length;
  }

  const tick = (text: string, ...tables: string[]) =>
    tables.reduce((rest, table) => rest.replace(`- [ ] \`${table}@`, `- [x] \`${table}@`), text);

  it('advises to write the migrations while there are none', async () => {
    const { stdout } = await good('undrop report --format markdown --proposal');
    expect(stdout).to.include('npx undrop make clean_up --from-audit');
    expect(stdout).not.to.include('[ ]');
  });

  it('has state, evidence, recommendations, boxes, impact, and the plan with its commands', async () => {
    await good('undrop make clean_up --from-audit');
    await good('undrop report --proposal --out proposal.md');
    const text = read('proposal.md');
    const part = (title: string) => text.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '';
    expect(part('Current state')).to.include('- 74 tables').and.include('- 23 (31 %) of them empty');
    const categories = part('Empty tables by category').split('\n### ').slice(1);
    const tablesOf = (category = '') => [...category.matchAll(/^- `(\w+)`/gm)].map(([, name]) => name);
    expect(categories.map((one) => one.split('\n')[0])).to.deep.equal([
      'Candidates: empty, unreferenced, and looks obsolete (6)',
      'Questions: empty and unreferenced; not enough further evidence (3)',
      'Kept by a decision (14)',
    ]);
    expect(tablesOf(categories[0])).to.have.members(legacyTables);
    expect(tablesOf(categories[1])).to.have.members(optionalTables);
    expect(tablesOf(categories[2])).to.have.members(waitingTables);
    expect(categories[0]).not.to.match(/^ *- [-+*] /m);
    expect(categories[0]).to.include('mentions recipe_runs, which does not exist');
    expect(part('Recommendation'))
      .to.match(/\| drop \| 6 \|/)
      .and.match(/\| decide \| 3 \|/)
      .and.match(/\| keep \| 65 \|/);
    for (const table of optionalTables)
      expect(part('Approval')).to.match(new RegExp(`^- \\[ \\] \`${table}@[0-9a-f]{12}\``, 'm'));
    expect(part('Storage impact'))
      .to.match(/`now` \| 74 \| 23 /)
      .and.match(/ 68 \| 17 /)
      .and.match(/ 65 \| 14 /);
    const commands = [...part('Plan').matchAll(/^ {3}(npx .*)$/gm)].map(([, line]) => line);
    expect(commands).to.deep.equal([
      'npx undrop backup',
      'npx undrop preflight',
      'npx knex migrate:latest',
      'npx undrop verify --expect 68',
      'npx undrop approve --from proposal.md',
      'npx knex migrate:latest',
      'npx undrop verify --expect 65',
      'npx knex migrate:rollback',
      'npx undrop verify --expect 74',
    ]);
  });

  it('is not written over an older one, nor in another format', async () => {
    await refused('undrop report --proposal --out proposal.md', 3, 'name-taken');
    await refused('undrop report --proposal --format html', 2, 'bad-options');
  });

  it('approves nothing without a tick', async () => {
    await refused('undrop approve --from proposal.md', 3, 'approval-missing');
    expect((await good('knex migrate:latest')).stdout).to.include('1 migrations');
    expect(await count()).to.equal(68);
  });

  it('approves only tables that need it, in the state of the proposal', async () => {
    const text = read('proposal.md');
    project.write('other.md', text.replace('[ ] `organizations@', '[x] `postings@'));
    expect((await refused('undrop approve --from other.md', 2, 'bad-options')).stderr).to.include('postings');
    project.write('other.md', '# Nothing\n');
    await refused('undrop approve --from other.md', 2, 'bad-options');
    await refused('undrop approve --from absent.md', 2, 'bad-options');
    await refused('undrop approve', 2, 'bad-options');

    project.write('other.md', tick(text, 'organizations'));
    await server.sql(database.name, `alter table organizations add note text`);
    expect((await refused('undrop approve --from other.md', 3, 'approval-stale')).stderr).to.include(
      'organizations: approved as',
    );
    await server.sql(database.name, `alter table organizations drop note`);
    expect(JSON.parse(read('approvals.json'))).to.deep.equal({});
  });

  it('records ticks as approvals, and takes them back', async () => {
    project.write('proposal.md', tick(read('proposal.md'), 'interaction_lineage'));
    const { stdout } = await good('undrop approve --from proposal.md --by Ada --note #12');
    expect(stdout).to.match(
      /^approvals\.json\napproved +interaction_lineage@[0-9a-f]{12} +\d{14}_clean_up_questions\n/,
    );
    const kept = JSON.parse(read('approvals.json'));
    expect(Object.keys(kept)).to.deep.equal(['interaction_lineage']);
    expect(kept.interaction_lineage).to.include({ by: 'Ada', note: '#12' });
    expect((await good('undrop status')).stdout).to.match(
      /interaction_lineage@[0-9a-f]{12} +to be dropped by/,
    );

    project.write('other.md', read('proposal.md').replaceAll('[x]', '[ ]'));
    await refused('undrop approve --from other.md', 3, 'approval-missing');
    expect(JSON.parse(read('approvals.json'))).to.deep.equal({});
  });

  it('lets the migration drop what is ticked, and rollback restores it', async () => {
    project.write('proposal.md', tick(read('proposal.md'), ...optionalTables));
    const { stdout } = await good('undrop approve --from proposal.md --json --by Ada');
    const { approved, notApproved } = JSON.parse(stdout);
    expect(approved.map(({ table }: { table: string }) => table)).to.have.members(optionalTables);
    expect(notApproved).to.deep.equal([]);
    expect((await good('undrop preflight')).stdout).to.include('3 of 3 tables approved by Ada');
    await good('knex migrate:latest');
    expect(await count()).to.equal(65);
    const [entry] = await server.sql<{ approvals: { by: string; at: string }[] }>(
      database.name,
      `select approvals from undrop.drops order by id desc limit 1`,
    );
    const { at } = JSON.parse(read('approvals.json')).organizations;
    expect(entry?.approvals.map((one) => [one.by, one.at])).to.deep.equal(
      optionalTables.map(() => ['Ada', at]),
    );
    await good('knex migrate:rollback');
    await good('knex migrate:rollback');
    expect(await count()).to.equal(74);
    expect(await dump()).to.equal(seeded);
  });

  it('refuses a file of approvals that is damaged, or names a table that needs none', async () => {
    const kept = read('approvals.json');
    project.write('approvals.json', '{ "organizations": { "fingerprint": "x", "by": 1, "more": true } }');
    const { stderr } = await refused('undrop preflight', 2, 'bad-options');
    for (const words of [
      'fingerprint must be',
      'at must be',
      'by must be',
      'note must be',
      'unknown key more',
    ])
      expect(stderr).to.include(words);
    project.write('approvals.json', kept.replace('organizations', 'organisations'));
    const unknown = await run('knex migrate:latest');
    expect(unknown.status).to.equal(1);
    expect(unknown.stderr).to.match(
      /approvals\.json names organisations, for which no migration requires approval/,
    );
  });
});
