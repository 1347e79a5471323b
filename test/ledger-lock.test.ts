import { expect } from 'chai';
import knexFactory, { type Knex } from 'knex';
import { undropConfig } from '../src/migration/knex-config.ts';
import { makeSmallProject, type SmallProject, type Started } from './support/small-project.ts';
import { until } from './support/until.ts';
import { useServer } from './support/use-database.ts';

/** The number of rounds of concurrent processes: twenty with UNDROP_ROUNDS=all. */
const rounds = process.env.UNDROP_ROUNDS === 'all' ? 20 : 1;

describe('the lock of the migrations table', () => {
  const server = useServer();
  let project: SmallProject;
  let database: string;
  const open: Knex[] = [];

  beforeEach(async () => {
    project = makeSmallProject();
    database = (await server.createDatabase()).name;
    for (const name of ['1', '2']) migration(name, '');
  });

  afterEach(async () => {
    await Promise.all(open.splice(0).map((knex) => knex.destroy()));
    project.remove();
  });

  function migration(name: string, beforeDown: string): void {
    project.migration(
      `${name}.cjs`,
      `exports.up = (knex) => knex.raw('create table "t${name}" (); select pg_sleep(0.1)');
       exports.down = async (knex) => { ${beforeDown}; await knex.raw('drop table "t${name}"'); };`,
    );
  }

  /** A separate configuration and pool, as in another process. */
  function deployer(): Knex {
    const knex = knexFactory(undropConfig({ root: project.folder, connection: server.url(database) }));
    open.push(knex);
    return knex;
  }

  const start = (command: string): Started => project.knex(command, server.url(database));

  const rows = <Row = Record<string, unknown>>(sql: string) => server.sql<Row>(database, sql);
  const sleepers = async () =>
    (
      await rows(
        `select pid from pg_stat_activity
        where datname = current_database() and query like '%pg_sleep(600)%' and pid <> pg_backend_pid()`,
      )
    ).length;

  /** Starts this many processes at once, and returns the output and the exit code of each. */
  async function atOnce(count: number, command: string): Promise<{ said: string; status: number | null }[]> {
    const all = Array.from({ length: count }, () => start(command));
    return Promise.all(all.map(async ({ said, ended }) => ({ status: await ended, said: said() })));
  }

  it('lets one of ten concurrent processes migrate on a new database, and the others find it done', async function () {
    this.timeout(rounds * 600_000);
    const figures = { migrated: 0, done: 0, failed: 0 };
    for (let round = 1; round <= rounds; round++) {
      database = (await server.createDatabase()).name;
      const ends = await atOnce(10, 'migrate:latest');
      for (const { said, status } of ends) {
        if (status !== 0) figures.failed++;
        else if (said.includes('Batch 1 run: 2 migrations')) figures.migrated++;
        else if (said.includes('Already up to date')) figures.done++;
      }
      const about = ends.map(({ said }) => said).join('\n');
      expect(figures, about).to.deep.equal({ migrated: round, done: 9 * round, failed: 0 });
      expect(await rows('select name, batch from undrop.knex_migrations order by id')).to.deep.equal([
        { name: '1', batch: 1 },
        { name: '2', batch: 1 },
      ]);
      const locks = await rows('select is_locked from undrop.knex_migrations_lock');
      expect(locks).to.deep.equal([{ is_locked: 0 }]);
      await server.dropDatabase(database);
    }
    console.log(`      ten at once, ${rounds} times: ${JSON.stringify(figures)}`);
  });

  it('lets one of two concurrent rollbacks roll back a batch, and refuses the other', async function () {
    this.timeout(rounds * 600_000);
    const figures = { rolledBack: 0, refused: 0 };
    migration('2', `await knex.raw('select pg_sleep(1)')`);
    for (let round = 1; round <= rounds; round++) {
      database = (await server.createDatabase()).name;
      for (const _ of ['1', '2']) await deployer().migrate.up();
      await Promise.all(open.splice(0).map((knex) => knex.destroy()));
      const ends = await atOnce(2, 'migrate:rollback');
      for (const { said, status } of ends) {
        if (status === 0 && said.includes('Batch 2 rolled back: 1 migrations')) figures.rolledBack++;
        if (status === 1 && said.includes('already locked')) figures.refused++;
      }
      const about = ends.map(({ said }) => said).join('\n');
      expect(figures, about).to.deep.equal({ rolledBack: round, refused: round });
      const left = await rows('select name, batch from undrop.knex_migrations');
      expect(left).to.deep.equal([{ name: '1', batch: 1 }]);
      await server.dropDatabase(database);
    }
    console.log(`      two rollbacks at once, ${rounds} times: ${JSON.stringify(figures)}`);
  });

  it('is released after a rollback was killed, and this is logged', async () => {
    await deployer().migrate.latest();
    await Promise.all(open.splice(0).map((knex) => knex.destroy()));
    migration('2', `await knex.raw('select pg_sleep(600)')`);
    const rollback = start('migrate:rollback');
    await until(async () => (await sleepers()) === 1);
    rollback.child.kill('SIGKILL');
    await rollback.ended;
    expect(await rows('select is_locked from undrop.knex_migrations_lock')).to.deep.equal([{ is_locked: 1 }]);
    // The server continues a statement after its client was killed.
    await rows(`select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)%'
      and datname = current_database() and pid <> pg_backend_pid()`);
    await until(async () => (await sleepers()) === 0);

    migration('2', '');
    const again = start('migrate:rollback');
    expect(await again.ended, again.said()).to.equal(0);
    expect(again.said()).to.include('killed; the lock was released').and.to.include('Batch 1 rolled back: 2');
  });

  it('is not released while its holder is connected: a rollback is refused, and up waits', async () => {
    await deployer().migrate.latest();
    await Promise.all(open.splice(0).map((knex) => knex.destroy()));
    migration('2', `await knex.raw('select pg_sleep(600)')`);
    migration('3', '');
    const first = start('migrate:rollback');
    await until(async () => (await sleepers()) === 1);
    const second = start('migrate:rollback');
    expect(await second.ended).to.equal(1);
    expect(second.said()).to.include('already locked');
    const latest = start('migrate:latest');
    await until(async () => /Waiting for another migration: pid \d+ \(postgres\)/.test(latest.said()));
    await rows(`select pg_cancel_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)%'
      and datname = current_database() and pid <> pg_backend_pid()`);
    expect(await first.ended).to.equal(1);
    expect(await latest.ended, latest.said()).to.equal(0);
    expect(await rows('select name from undrop.knex_migrations order by id')).to.deep.equal([
      { name: '1' },
      { name: '2' },
      { name: '3' },
    ]);
  });

  it('is not waited for by its holder where transactions are disabled', async () => {
    const knex = deployer();
    await knex.migrate.latest({ disableTransactions: true });
    expect((await knex.migrate.rollback({ disableTransactions: true }))[1]).to.deep.equal(['2', '1']);
  });
});
