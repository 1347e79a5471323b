import { expect } from 'chai';
import { migrationsIn } from '../src/migration/migrations.ts';
import { formatProposal } from '../src/report/proposal.ts';
import { type Report, type ReportOptions, readReport } from '../src/report/read-report.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { countTables } from '../src/status/count-tables.ts';
import { size } from '../src/text/units.ts';
import { withEnvironment } from './support/migrate.ts';
import { useProject } from './support/source-project.ts';
import { useDatabase, useServer } from './support/use-database.ts';

// With code that names only customers, runs and oldRuns are candidates, drafts, notes and app.logs questions.
const schema = `
  create table customers (id int primary key);
  insert into customers values (1);
  create table orders (id int primary key);
  create view open_orders as select * from orders;
  create table runs (id int primary key, recipe_id int);
  comment on table runs is 'Runs of recipes';
  create table "oldRuns" (id int primary key, recipe_id int);
  comment on table "oldRuns" is 'Runs of recipes';
  create table drafts (id int);
  create table notes (id int);
  create schema app;
  create table app.logs (id int);`;

describe('a proposal', () => {
  const server = useServer();
  const { run, sql, reopen } = useDatabase(server, schema);
  const project = useProject();

  const read = (options: Partial<ReportOptions> = {}): Promise<Report> => {
    project.write('app.py', 'db.run("select * from customers")\n');
    return readReport(run.knex, {
      root: project.folder,
      project: migrationsIn(project.path('migrations')),
      expect: undefined,
      code: [project.path('app.py')],
      ...options,
    });
  };

  /** Its sections by title, without the title and empty lines at the ends. */
  async function sections(options: Partial<ReportOptions> = {}, file = 'proposal.md') {
    const report = await read(options);
    const text = formatProposal(report, file);
    const parts = text.split(/^## (.*)\n/m).map((part) => part.trim());
    const found: Record<string, string> = { '': parts[0] ?? '' };
    for (let index = 1; index < parts.length; index += 2) found[parts[index] ?? ''] = parts[index + 1] ?? '';
    return { report, of: (title: string) => found[title] ?? '' };
  }

  const commandsIn = (plan: string) => [...plan.matchAll(/^ {3}(npx .*)$/gm)].map(([, line]) => line);
  const load = (name: string) => project.load(`migrations/${name}.js`);
  const count = async () =>
    (await inReadOnlySession(run.knex, (session) => countTables(session, 'public'))).count;
  const fingerprintOf = ({ migrations }: Report, name: string) =>
    migrations.flatMap(({ tables }) => tables).find(({ table }) => table === name)?.fingerprint;

  function migrations(): void {
    project.migration('1_drop', { tables: { runs: 'Replaced by jobs.', oldRuns: '' } });
    project.migration('2_ask', {
      tables: { drafts: 'Never used.', 'app.logs': '' },
      approval: 'each-table',
    });
  }

  it('states what the database contains', async () => {
    project.write('decisions.json', JSON.stringify({ gone: { decision: 'keep', reason: 'Used' } }));
    project.write('migrations/README', '');
    // Which updates the sizes of indexes.
    await sql('analyze');
    const { report, of } = await sections();
    const [{ bytes = 0 } = {}] = await sql<{ bytes?: number }>(
      `select sum(pg_total_relation_size(c.oid))::int as bytes from pg_class as c
       where relkind = 'r' and relnamespace in ('public'::regnamespace, 'app'::regnamespace)`,
    );
    expect(of('')).to.match(
      new RegExp(
        `^# Proposal to drop tables of \`${report.database}\`\n\nWritten on \\S+Z as \`postgres\`\\. \``,
      ),
    );
    expect(of('Current state')).to.equal(
      [
        `- 7 tables, ${size(bytes)} with indexes`,
        '- 6 (86 %) of them empty',
        `- warning: \`decisions: gone is not a table of ${report.database}\``,
      ].join('\n'),
    );
    const [, now] = of('Storage impact').split('\n').slice(1);
    expect(now).to.equal(`| \`now\` | 7 | 6 (86 %) | ${size(bytes)} |  |`);
  });

  it('lists empty tables by category, with the evidence and the reasons of migrations', async () => {
    migrations();
    project.write('decisions.json', JSON.stringify({ notes: { decision: 'keep', reason: 'Used in May' } }));
    const { of } = await sections();
    const categories = of('Empty tables by category')
      .split(/^### /m)
      .slice(1)
      .map((text) => text.split(/\n+(?=- )/));
    expect(
      categories.map(([title, ...tables]) => [title, ...tables.map((text) => /`(.*?)`/.exec(text)?.[1])]),
    ).to.deep.equal([
      ['Candidates: empty, unreferenced, and looks obsolete (2)', '"oldRuns"', 'runs'],
      ['Questions: empty and unreferenced; not enough further evidence (2)', 'app.logs', 'drafts'],
      ['Kept by a decision (1)', 'notes'],
      ['Kept because they are in use (1)', 'orders'],
    ]);
    const [[, , runs] = [], [, , drafts] = [], [, notes] = [], [, orders] = []] = categories;
    expect(runs)
      .to.include('  - comment: `Runs of recipes`\n')
      .and.match(/^ {2}- for: `column recipe_id is named like a foreign key/m)
      .and.include('  - `1_drop` gives the reason: `Replaced by jobs.`');
    expect(drafts)
      .to.match(/^ {2}- against: /m)
      .and.include('  - `2_ask` gives the reason: `Never used.`');
    expect(notes).to.match(/^- `notes`, 0 bytes\n {2}- reason: `Used in May`$/m);
    expect(orders).to.match(/ {2}- reason: `referenced by view public\.open_orders`/);
  });

  it('recommends what migrations drop, and counts what none drops', async () => {
    const rows = async () => {
      const lines = (await sections()).of('Recommendation').split('\n');
      return lines.slice(2).map((line) => line.slice(2, -2).split(' | '));
    };
    project.write('migrations/README', '');
    expect(await rows()).to.deep.equal([
      ['candidate without a migration', '2', '`"oldRuns"`, `runs`'],
      ['question without a migration', '3', '`app.logs`, `drafts`, `notes`'],
      ['keep', '2', 'all others'],
    ]);
    migrations();
    expect(await rows()).to.deep.equal([
      ['drop', '2', '`runs`, `oldRuns`'],
      ['decide', '2', '`drafts`, `app.logs`'],
      ['question without a migration', '1', '`notes`'],
      ['keep', '2', 'all others'],
    ]);
  });

  it('recommends tables whose schema the migration writes, or of which the search path leads to another', async () => {
    await sql('create table app.drafts (id int)');
    await sql(
      `do $$begin execute format('alter database %I set search_path = app, public', current_database()); end$$`,
    );
    await reopen();
    project.migration('1_drop', { tables: ['public.runs', 'drafts'] });
    const { of } = await sections();
    expect(of('Recommendation').split('\n').slice(2)).to.deep.equal([
      '| drop | 2 | `public.runs`, `drafts` |',
      '| candidate without a migration | 1 | `"oldRuns"` |',
      '| question without a migration | 3 | `app.logs`, `drafts`, `notes` |',
      '| keep | 2 | all others |',
    ]);
  });

  it('has a box with the fingerprint of each table that needs an approval', async () => {
    migrations();
    const { report, of } = await sections();
    expect(fingerprintOf(report, 'drafts')).to.match(/^[0-9a-f]{12}$/);
    expect(of('Approval')).to.equal(
      `- \`1_drop\` needs no approval: its tables are dropped when it runs.

\`2_ask\` drops only the tables that are ticked here. An approval is void once its table changes.

- [ ] \`drafts@${fingerprintOf(report, 'drafts')}\` \`Never used.\`
- [ ] \`app.logs@${fingerprintOf(report, 'app.logs')}\`

After the review, record the ticked boxes:

\`\`\`sh
npx undrop approve --from proposal.md
\`\`\``,
    );
  });

  it('names itself in commands, if its path is plain', async () => {
    migrations();
    expect((await sections({}, 'a/b-1.md')).of('Approval')).to.include('approve --from a/b-1.md\n');
    expect((await sections({}, 'a b.md')).of('Approval')).to.include('approve --from proposal.md\n');
  });

  it('plans with the numbers of tables that the database then has', async () => {
    migrations();
    const now = await count();
    const { report, of } = await sections();
    expect(of('Plan')).to.match(/^1\. Back up the database:\n\n {3}```sh\n {3}npx undrop backup\n {3}```\n/);
    const commands = commandsIn(of('Plan'));
    const [first, second] = [await load('1_drop'), await load('2_ask')];
    await run.up(first);
    const without = await count();
    await withEnvironment({ APPROVED_DROPS: 'drafts,app.logs' }, () => run.up(second));
    expect(commands).to.deep.equal([
      'npx undrop backup',
      'npx undrop preflight',
      'npx knex migrate:latest',
      `npx undrop verify --expect ${without}`,
      'npx undrop approve --from proposal.md',
      'npx knex migrate:latest',
      `npx undrop verify --expect ${await count()}`,
      'npx knex migrate:rollback',
      `npx undrop verify --expect ${now}`,
    ]);
    expect(report.impact.map(({ tables }) => tables)).to.deep.equal([7, 5, 3]);
    await run.down(second);
    await run.down(first);
    expect(await count()).to.equal(now);
  });

  it('plans one run of the migrations if some tables are approved already', async () => {
    migrations();
    const now = await count();
    await withEnvironment({ APPROVED_DROPS: 'app.logs' }, async () => {
      const { of } = await sections();
      expect(of('Approval')).to.include('- [ ] `drafts@').and.include('- [x] `app.logs@');
      expect(of('Plan')).to.include('Drop the tables that need no approval, and the approved tables (');
      expect(commandsIn(of('Plan')).slice(2)).to.deep.equal([
        'npx undrop approve --from proposal.md',
        'npx knex migrate:latest',
        `npx undrop verify --expect ${now - 3}`,
        'npx knex migrate:rollback',
        `npx undrop verify --expect ${now}`,
      ]);
    });
  });

  it('advises to write migrations if none is pending', async () => {
    project.migration('1_drop', { tables: ['runs'] });
    await run.up(await load('1_drop'));
    const { report, of } = await sections();
    expect(report.migrations.map(({ state }) => state)).to.deep.equal(['done']);
    expect(of('Approval')).to.equal(
      `No migration is pending. Write the migrations of the candidates and questions, and then this proposal again:

\`\`\`sh
npx undrop make clean_up --from-audit
\`\`\``,
    );
    expect(commandsIn(of('Plan'))).to.deep.equal([
      'npx undrop backup',
      'npx undrop preflight',
      'npx knex migrate:rollback',
      `npx undrop verify --expect ${await count()}`,
    ]);
  });
});
