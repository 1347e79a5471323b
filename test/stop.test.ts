import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type TestDatabase, type TestServer, testServer } from './support/server.ts';
import { makeSmallProject, packageUrl, type SmallProject, type Started } from './support/small-project.ts';

describe('stopped by a signal', function () {
  this.timeout(120_000);
  let server: TestServer;
  let database: TestDatabase;
  let project: SmallProject;

  before(async () => {
    server = await testServer();
    project = makeSmallProject();
    project.migration(
      '1_drop.js',
      `import { reversibleDrop } from ${JSON.stringify(packageUrl)};
       export const { up, down } = reversibleDrop({ name: '1_drop', tables: ['gone'], rows: 'archive' });`,
    );
  });

  after(() => project.remove());

  beforeEach(async () => {
    database = await server.createDatabase();
    await sql(`
      create table pace (seconds int);
      insert into pace values (0);
      create function slow(id int) returns boolean language plpgsql
        as 'begin perform pg_sleep(seconds) from public.pace; return true; end';
      create table gone (id int check (slow(id)));
      insert into gone values (1);`);
  });

  afterEach(() => server.dropDatabase(database.name));

  const sql = <Row = Record<string, unknown>>(text: string) => server.sql<Row>(database.name, text);
  const pace = (seconds: number) => sql(`update pace set seconds = ${seconds}`);
  const there = async () => (await sql(`select to_regclass('public.gone') is not null as there`))[0]?.there;

  const knex = (command: string) => project.knex(command, database.url);

  const phases = async () =>
    (
      await sql<{ name: string }>(
        `select application_name as name from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
      )
    ).map(({ name }) => name);

  async function until(met: () => Promise<boolean> | boolean): Promise<void> {
    while (!(await met())) await sleep(50);
  }

  async function stop(command: Started, signal: 'SIGINT' | 'SIGTERM'): Promise<void> {
    const begun = performance.now();
    command.child.kill(signal);
    expect(await command.ended, command.said()).to.equal(signal === 'SIGINT' ? 130 : 143);
    expect(performance.now() - begun).to.be.below(5_000);
    expect(
      command.said().match(/Stopped by SIG\w+; what was begun is rolled back/g),
      command.said(),
    ).to.have.length(1);
    expect(command.said()).not.to.match(/^ +at /m);
    await until(async () => (await phases()).length === 0);
  }

  it('migrate:latest rolls back and says so; until then it shows its phase, and how far it is', async () => {
    await pace(60);
    const latest = knex('migrate:latest');
    await until(async () => (await phases()).includes('knex-undrop: rehearse'));
    await until(() =>
      /^rehearse: \d of \d done, \d left after 5 s, now table constraint/m.test(latest.said()),
    );
    await stop(latest, 'SIGINT');
    expect(await there()).to.equal(true);
    await pace(0);
    expect(await knex('migrate:latest').ended).to.equal(0);
    expect(await there()).to.equal(false);
  });

  it('migrate:rollback and restore roll back, and what comes next needs no hand', async () => {
    expect(await knex('migrate:latest').ended).to.equal(0);
    await pace(60);
    const rollback = knex('migrate:rollback');
    await until(async () => (await phases()).includes('knex-undrop: restore'));
    await stop(rollback, 'SIGTERM');
    expect(await there()).to.equal(false);

    const restore = project.undrop('restore --migration 1_drop', database.url);
    await until(async () => (await phases()).includes('knex-undrop: restore'));
    await stop(restore, 'SIGINT');
    expect(await there()).to.equal(false);

    await pace(0);
    const again = knex('migrate:rollback');
    expect(await again.ended, again.said()).to.equal(0);
    expect(await there()).to.equal(true);
  });
});
