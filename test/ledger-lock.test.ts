import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect } from 'chai';
import knexFactory, { type Knex } from 'knex';
import { undropConfig } from '../src/knex/config.ts';
import { type TestServer, testServer } from './support/server.ts';

const cli = createRequire(import.meta.url).resolve('knex/bin/cli.js');
const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const config = new URL('../src/knex/config.ts', import.meta.url).href;

describe('the lock of the ledger', () => {
  let server: TestServer;
  let root: string;
  let database: string;
  const open: Knex[] = [];

  before(async () => {
    server = await testServer();
  });

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'undrop-ledger-'));
    database = (await server.createDatabase()).name;
    mkdirSync(join(root, 'migrations'));
    writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
    symlinkSync(fileURLToPath(new URL('../node_modules', import.meta.url)), join(root, 'node_modules'));
    const text = `
      import { undropConfig } from ${JSON.stringify(config)};
      export default undropConfig({ root: import.meta.dirname });`;
    writeFileSync(join(root, 'knexfile.js'), text);
    for (const name of ['1', '2']) migration(name, '');
  });

  afterEach(async () => {
    await Promise.all(open.splice(0).map((knex) => knex.destroy()));
    rmSync(root, { recursive: true });
  });

  function migration(name: string, beforeDown: string): void {
    const text = `
      exports.up = (knex) => knex.raw('create table "t${name}" (); select pg_sleep(0.1)');
      exports.down = async (knex) => { ${beforeDown}; await knex.raw('drop table "t${name}"'); };`;
    writeFileSync(join(root, `migrations/${name}.cjs`), text);
  }

  /** As in another process: a configuration and a pool of their own. */
  function deployer(): Knex {
    const knex = knexFactory(undropConfig({ root, connection: server.url(database) }));
    open.push(knex);
    return knex;
  }

  function start(command: string): {
    child: ChildProcess;
    said: () => string;
    ended: Promise<number | null>;
  } {
    const child = spawn(process.execPath, [cli, ...command.split(' ')], {
      cwd: root,
      env: { PATH: process.env.PATH, NODE_OPTIONS: `--import=${loader}`, DATABASE_URL: server.url(database) },
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data));
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    return { child, said: () => said, ended };
  }

  const rows = <Row = Record<string, unknown>>(sql: string) => server.sql<Row>(database, sql);
  const sleepers = async () =>
    (
      await rows(
        `select pid from pg_stat_activity where query like '%pg_sleep(60)%' and pid <> pg_backend_pid()`,
      )
    ).length;
  const until = async (met: () => Promise<boolean>) => {
    while (!(await met())) await sleep(50);
  };

  it('lets one of ten who come at once migrate, on a database without a ledger, and the others find it done', async () => {
    const results = await Promise.all(Array.from({ length: 10 }, () => deployer().migrate.latest()));
    expect(results.map(([, names]) => names.length).sort()).to.deep.equal([0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    expect(await rows('select name, batch from undrop.knex_migrations order by id')).to.deep.equal([
      { name: '1', batch: 1 },
      { name: '2', batch: 1 },
    ]);
    expect(await rows('select is_locked from undrop.knex_migrations_lock')).to.deep.equal([{ is_locked: 0 }]);
  });

  it('is freed where a rollback was killed, and says so', async () => {
    await deployer().migrate.latest();
    await Promise.all(open.splice(0).map((knex) => knex.destroy()));
    migration('2', `await knex.raw('select pg_sleep(60)')`);
    const rollback = start('migrate:rollback');
    await until(async () => (await sleepers()) === 1);
    rollback.child.kill('SIGKILL');
    await rollback.ended;
    expect(await rows('select is_locked from undrop.knex_migrations_lock')).to.deep.equal([{ is_locked: 1 }]);
    // The server goes on with a statement whose client is gone.
    await rows(`select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)%'
      and pid <> pg_backend_pid()`);
    await until(async () => (await sleepers()) === 0);

    migration('2', '');
    const again = start('migrate:rollback');
    expect(await again.ended, again.said()).to.equal(0);
    expect(again.said()).to.include('killed; it is free again').and.to.include('Batch 1 rolled back: 2');
  });

  it('is not freed while its holder lives: a rollback is refused, an upward migration waits', async () => {
    await deployer().migrate.latest();
    await Promise.all(open.splice(0).map((knex) => knex.destroy()));
    migration('2', `await knex.raw('select pg_sleep(60)')`);
    migration('3', '');
    const first = start('migrate:rollback');
    await until(async () => (await sleepers()) === 1);
    const second = start('migrate:rollback');
    expect(await second.ended).to.equal(1);
    expect(second.said()).to.include('already locked');
    const latest = start('migrate:latest');
    await until(async () => /Waiting for another migration: pid \d+ \(postgres\)/.test(latest.said()));
    await rows(`select pg_cancel_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)%'
      and pid <> pg_backend_pid()`);
    expect(await first.ended).to.equal(1);
    expect(await latest.ended, latest.said()).to.equal(0);
    expect(await rows('select name from undrop.knex_migrations order by id')).to.deep.equal([
      { name: '1' },
      { name: '2' },
      { name: '3' },
    ]);
  });

  it('does not wait for itself where transactions are disabled', async () => {
    const knex = deployer();
    await knex.migrate.latest({ disableTransactions: true });
    expect((await knex.migrate.rollback({ disableTransactions: true }))[1]).to.deep.equal(['2', '1']);
  });
});
