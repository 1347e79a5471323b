import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { planDrop, reversibleDrop } from '../src/index.ts';
import { testNative } from './support/binaries.ts';
import { startStandby } from './support/cluster.ts';
import { type Runner, refusalOf, runner, said } from './support/migrate.ts';
import { nativeOrSkip, wholeText } from './support/pg-dump.ts';
import { makeProject, type Project } from './support/project.ts';
import { startProxy } from './support/proxy.ts';
import { startServer, type TestDatabase, type TestServer } from './support/server.ts';
import { skip } from './support/skip.ts';
import { until } from './support/until.ts';
import { freshDatabase } from './support/use-database.ts';

const schema = `
  create table kept (id int primary key);
  create table gone (id serial primary key, kept_id int references kept, note text);
  insert into kept values (1);
  insert into gone (kept_id, note) values (1, 'x');`;

describe('external faults', () => {
  let server: TestServer;
  let database: TestDatabase;
  let run: Runner;
  let project: Project;

  before(async () => {
    // A separate server, which is restarted, and has few locks.
    const settings = { max_locks_per_transaction: '10', max_connections: '20' };
    server = await startServer({
      native: testNative(),
      settings,
    });
    project = makeProject();
  });

  after(async () => {
    project?.remove();
    await server?.stop();
  });

  beforeEach(async () => {
    ({ database, run } = await freshDatabase(server, schema));
  });

  afterEach(async () => {
    await run.end();
    await server.dropDatabase(database.name).catch(() => undefined);
  });

  const migration = reversibleDrop({ name: 'm', tables: ['gone'], rows: 'copy' });
  const sql = <Row = Record<string, unknown>>(text: string) => server.sql<Row>(database.name, text);
  const dump = () => wholeText(database.url);

  /** Expects a refusal that changes nothing; after the fault is removed, `up` and `down` succeed. */
  async function survives(fault: () => Promise<unknown>, over: () => Promise<unknown>): Promise<void> {
    const before = await dump();
    await fault();
    await over();
    expect(await dump()).to.equal(before);
    expect(await sql(`select to_regclass('undrop.drops') is null as none`)).to.deep.equal([{ none: true }]);
    await run.end();
    run = runner(database.url);
    await run.up(migration);
    await run.down(migration);
    expect(await dump()).to.equal(before);
  }

  it('out of shared memory for locks', async () => {
    const names = Array.from({ length: 600 }, (_, index) => `many_${index}`);
    for (let start = 0; start < names.length; start += 50) {
      await sql(
        names
          .slice(start, start + 50)
          .map((name) => `create table ${name} (id int primary key)`)
          .join(';'),
      );
    }
    const many = reversibleDrop({ name: 'many', tables: names });
    const error = await refusalOf(run.up(many), 'server-error');
    expect(error.message).to.include('space in its lock table');
    expect(error.next).to.include('max_locks_per_transaction');
    expect(await sql(`select count(*)::int from pg_tables where tablename like 'many%'`)).to.deep.equal([
      { count: 600 },
    ]);
  });

  it('a full disk on the server', async function () {
    const place = mkdtempSync('/tmp/undrop-full-');
    const mounted =
      spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m,mode=0777', 'tmpfs', place]).status === 0;
    if (!mounted) {
      rmSync(place, { recursive: true });
      return skip(this, 'no file system of its own may be mounted here');
    }
    try {
      mkdirSync(join(place, 'space'));
      if (process.getuid?.() === 0) spawnSync('chown', ['65534:65534', join(place, 'space')]);
      await server.sql('postgres', `create tablespace full_space location '${join(place, 'space')}'`);
      await server.sql('postgres', 'create database full_database tablespace full_space');
      const there = runner(server.url('full_database'));
      try {
        await there.knex.raw(schema);
        await there.knex.raw(`alter table gone alter note set storage external;
          insert into gone (note) select repeat('x', 8000) from generate_series(1, 800)`);
        const error = await refusalOf(there.up(migration), 'server-error');
        expect(error.message).to.include('The disk of the server is full');
        expect((await there.rows('select count(*)::int from gone'))[0]).to.deep.equal({ count: 801 });
        expect((await there.rows(`select to_regclass('undrop.drops') is null as none`))[0]).to.deep.equal({
          none: true,
        });
        await there.up(reversibleDrop({ name: 'm', tables: ['kept'], dependents: 'cascade', rows: 'copy' }));
      } finally {
        await there.end();
        await server.dropDatabase('full_database');
        await server.sql('postgres', 'drop tablespace full_space');
      }
    } finally {
      spawnSync('umount', [place]);
      rmSync(place, { recursive: true });
    }
  });

  it('a statement that exceeds statement_timeout', () =>
    survives(
      async () => {
        // A statement of this package: Knex runs its own first.
        await sql(`
          create function doze() returns event_trigger language plpgsql as 'begin perform pg_sleep(600); end';
          create event trigger doze on ddl_command_start execute function doze();
          alter database ${database.name} set statement_timeout = '3s'`);
        await run.end();
        run = runner(database.url);
        const error = await refusalOf(run.up(migration), 'server-error');
        expect(error.message).to.include('cancelled');
        expect(error.next).to.include('statement_timeout');
      },
      async () => {
        await server.sql('postgres', `alter database ${database.name} reset statement_timeout`);
        await sql('drop event trigger doze');
        await sql('drop function doze');
      },
    ));

  it('a session that exceeds idle_in_transaction_session_timeout', async () => {
    const proxy = await startProxy(server.config('postgres'));
    const idle = `select from pg_stat_activity
      where datname = '${database.name}' and state like 'idle in transaction%'`;
    try {
      await survives(
        async () => {
          await sql(`alter database ${database.name} set idle_in_transaction_session_timeout = '3s'`);
          await run.end();
          run = runner(database.url.replace(/:\d+\//, `:${proxy.port}/`));
          proxy.arm({
            statement: /lock table/,
            when: 'before',
            fault: () => until(async () => (await server.sql('postgres', idle)).length === 0),
          });
          expect(await said(() => run.up(migration).catch(() => undefined))).to.match(
            // The connection may be closed before the reason is read.
            /its time limit idle_in_transaction_session_timeout|was lost/,
          );
        },
        () => sql(`alter database ${database.name} reset idle_in_transaction_session_timeout`),
      );
    } finally {
      await proxy.stop();
    }
  });

  it('a read-only database, from Knex and from the migrations', () =>
    survives(
      async () => {
        await sql(`alter database ${database.name} set default_transaction_read_only = on`);
        await run.end();
        run = runner(database.url);
        await refusalOf(run.up(migration), 'unsupported-server');
        await refusalOf(run.down(migration), 'unsupported-server');
        const { status, text } = await project.knex('migrate:latest', {
          env: { DATABASE_URL: database.url },
        });
        expect(text).to.match(/^unsupported-server: .* is read-only/m);
        expect(text).not.to.match(/^ +at /m);
        expect(status).to.equal(1);
      },
      () => server.sql('postgres', `alter database ${database.name} reset default_transaction_read_only`),
    ));

  it('a standby: commands that write are refused, commands that read work', async () => {
    await run.up(migration);
    const admin = await server.client('postgres');
    const standby = await startStandby(server.folder as string, {
      start: async () => {
        await admin.query(`select pg_backup_start('standby', true)`);
      },
      stop: async () => {
        const { rows } = await admin.query('select labelfile from pg_backup_stop(false)');
        return rows[0].labelfile;
      },
    });
    try {
      const url = database.url.replace(/:\d+\//, `:${standby.port}/`);
      const there = runner(url);
      await refusalOf(there.up(reversibleDrop({ name: 'n', tables: ['kept'] })), 'unsupported-server');
      await refusalOf(there.down(migration), 'unsupported-server');
      expect((await planDrop(there.knex, { name: 'n', tables: ['kept'] })).missing).to.deep.equal([]);
      await there.end();
      const env = { DATABASE_URL: url };
      for (const command of ['status', 'count-tables', 'ddl kept', 'ddl --migration m']) {
        const { status, text } = await project.undrop(command, { env });
        expect(status, text).to.equal(0);
      }
      for (const command of ['migrate:latest', 'migrate:rollback']) {
        const { status, text } = await project.knex(command, { env });
        expect(text).to.match(/^unsupported-server: .* is read-only/m);
        expect(status).to.equal(1);
      }
    } finally {
      await admin.end();
      await standby.stop();
    }
  });

  it('too few locks: report shows the parts that failed, and backup names the setting', async function () {
    await nativeOrSkip(this, server.major);
    const tables = Array.from(
      { length: 600 },
      (_, n) => `create table t${n} (); create view v${n} as select from t${n}`,
    );
    for (let start = 0; start < tables.length; start += 50)
      await sql(tables.slice(start, start + 50).join(';'));
    const env = { DATABASE_URL: database.url, UNDROP_BACKUP: 'off' };
    const html = await project.undrop('report', { env });
    expect(html.status, html.text).to.equal(0);
    expect(html.stdout).to.match(
      /<h2 id="verify-title">Verify<\/h2>\s*<p class="warning">.*max_locks_per_transaction/s,
    );
    expect(html.stdout).to.match(/<h2 id="tables-title">Tables<\/h2>/);
    const markdown = await project.undrop('report --format markdown', { env });
    expect(markdown.stdout).to.match(/^\*\*verify: failed\.\*\* .*max_locks_per_transaction/m);
    const json = await project.undrop('report --json', { env });
    expect(JSON.parse(json.stdout).failures.map(({ part }: { part: string }) => part)).to.include('verify');
    const backup = await project.undrop('backup --json', { env });
    expect(JSON.parse(backup.stdout).error).to.include({ code: 'backup-failed' });
    expect(JSON.parse(backup.stdout).error.next).to.include('max_locks_per_transaction');
    expect(backup.status).to.equal(1);
  });

  it('publications of all tables, and a replication slot in use', async () => {
    await sql('create publication everything for all tables; create publication listed for table kept, gone');
    await sql(`select pg_create_logical_replication_slot('undrop_slot', 'pgoutput')`);
    const before = await dump();
    try {
      await run.knex.raw(`update gone set note = 'y'; update gone set note = 'x'`);
      const text = await said(() => run.up(migration));
      expect(text).to.include('m: publications include the archive (everything): its rows are not published');
      await run.down(migration);
      expect(await dump()).to.equal(before);
      const [changes] = await sql(`
        select count(*)::int > 0 as some from pg_logical_slot_get_binary_changes('undrop_slot', null, null,
          'proto_version', '1', 'publication_names', 'everything,listed')`);
      expect(changes).to.deep.equal({ some: true });
    } finally {
      await sql(`select pg_drop_replication_slot('undrop_slot')`);
    }
  });

  it('a server that is restarted between up and down', async () => {
    const before = await dump();
    await run.up(migration);
    const during = await dump();
    await run.end();
    server.restart();
    run = runner(database.url);
    expect(await dump()).to.equal(during);
    await run.down(migration);
    expect(await dump()).to.equal(before);
  });

  it('a session terminated by an administrator', () =>
    survives(
      async () => {
        const blocker = await server.client(database.name);
        await blocker.query('begin; select * from kept');
        const patient = reversibleDrop({ name: 'm', tables: ['gone'], rows: 'copy', lockTries: 1000 });
        const ended = said(() => run.up(patient).catch(() => undefined));
        await sql(`
          do $$ begin
            while not exists (select from pg_stat_activity where application_name = 'knex-undrop: lock') loop
              perform pg_sleep(0.01), pg_stat_clear_snapshot();
            end loop;
            perform pg_terminate_backend(pid) from pg_stat_activity where application_name = 'knex-undrop: lock';
          end $$`);
        expect(await ended).to.include('was lost');
        await blocker.end();
      },
      async () => undefined,
    ));
});
