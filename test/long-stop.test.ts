import { expect } from 'chai';
import { makeSmallProject, packageUrl, type SmallProject, type Started } from './support/small-project.ts';
import { until } from './support/until.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('stopped by a signal', () => {
  const server = useServer();
  let project: SmallProject;

  before(() => {
    project = makeSmallProject();
    project.migration(
      '1_drop.js',
      `import { reversibleDrop } from ${JSON.stringify(packageUrl)};
       export const { up, down } = reversibleDrop({ name: '1_drop', tables: ['gone'], rows: 'copy' });`,
    );
  });

  after(() => project.remove());

  const { database, sql } = useDatabase(server);

  // In a session that has ended: the tests look for others.
  beforeEach(() =>
    sql(`
      create table pace (seconds int);
      insert into pace values (0);
      create function slow(id int) returns boolean language plpgsql
        as 'begin perform pg_sleep(seconds) from public.pace; return true; end';
      create table gone (id int check (slow(id)));
      insert into gone values (1);`),
  );

  const pace = (seconds: number) => sql(`update pace set seconds = ${seconds}`);
  const there = async () => (await sql(`select to_regclass('public.gone') is not null as there`))[0]?.there;

  const knex = (command: string) => project.knex(command, database.url);

  const phases = async () =>
    (
      await sql<{ name: string }>(
        `select application_name as name from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
      )
    ).map(({ name }) => name);

  /** Ends a command by a signal, and waits until its session has ended. Returns the exit code. Expects no stack trace. */
  async function stop(command: Started, signal: 'SIGINT' | 'SIGTERM'): Promise<number | null> {
    command.child.kill(signal);
    const code = await command.ended;
    await until(async () => (await phases()).length === 0);
    expect(command.said()).not.to.match(/^ +at /m);
    return code;
  }

  it('migrate:latest ends by the signal and is rolled back; before that it shows its phase and its progress', async () => {
    await pace(600);
    const latest = knex('migrate:latest');
    await until(async () => (await phases()).some((phase) => phase.startsWith('knex-undrop: rehearse')));
    await until(() =>
      /^rehearse: \d of \d done, \d left after \d+ s, now table constraint/m.test(latest.said()),
    );
    expect(await stop(latest, 'SIGINT')).to.equal(null);
    expect(latest.child.signalCode).to.equal('SIGINT');
    expect(await there()).to.equal(true);
    await pace(0);
    expect(await knex('migrate:latest').ended).to.equal(0);
    expect(await there()).to.equal(false);
  });

  it('migrate:rollback and restore are rolled back, and the next run needs no manual step', async () => {
    expect(await knex('migrate:latest').ended).to.equal(0);
    await pace(600);
    const rollback = knex('migrate:rollback');
    await until(async () => (await phases()).includes('knex-undrop: restore'));
    await stop(rollback, 'SIGTERM');
    expect(rollback.child.signalCode).to.equal('SIGTERM');
    expect(await there()).to.equal(false);

    const restore = project.undrop('restore --migration 1_drop', database.url);
    await until(async () => (await phases()).includes('knex-undrop: restore'));
    expect(await stop(restore, 'SIGINT')).to.equal(130);
    expect(restore.said().match(/The restore was stopped by SIGINT\./g), restore.said()).to.have.length(1);
    expect(await there()).to.equal(false);

    await pace(0);
    const again = knex('migrate:rollback');
    expect(await again.ended, again.said()).to.equal(0);
    expect(await there()).to.equal(true);
  });

  it('the handler of an application is not replaced', async () => {
    await pace(12);
    const application = project.node(
      `import createKnex from 'knex';
       import { reversibleDrop } from ${JSON.stringify(packageUrl)};
       const listeners = () => process.listenerCount('SIGTERM') + process.listenerCount('SIGINT');
       process.on('SIGTERM', () => console.log('waiting', listeners() - before));
       const knex = createKnex({ client: 'pg', connection: process.env.DATABASE_URL });
       const before = listeners();
       await reversibleDrop({ name: '2_drop', tables: ['gone'], rows: 'copy' }).up(knex);
       console.log('done');
       await knex.destroy();`,
      database.url,
    );
    const { child } = application;
    await until(
      async () =>
        child.exitCode !== null ||
        (await phases()).some((phase) => phase.startsWith('knex-undrop: rehearse')),
    );
    child.kill('SIGTERM');
    expect(await application.ended, application.said()).to.equal(0);
    expect(application.said()).to.match(/^waiting 0\n(?:.*\n)*done\n/m);
    expect(await there()).to.equal(false);
  });
});
