import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import knexLib from 'knex';
import { reversibleDrop } from '../src/index.ts';
import { quietly } from '../src/text/log.ts';
import { refusalOf } from './support/migrate.ts';
import { makeProject, type Project } from './support/project.ts';
import type { TestDatabase } from './support/server.ts';
import { skip } from './support/skip.ts';
import { until } from './support/until.ts';
import { useServer } from './support/use-database.ts';

const program = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find((path) => existsSync(path));

describe(`behind PgBouncer${program === undefined ? ' (it is not installed)' : ''}`, () => {
  const server = useServer();
  let database: TestDatabase;
  let project: Project;
  let folder: string;
  let bouncer: ChildProcess | undefined;

  before(async function () {
    if (program === undefined) return skip(this, 'there is no pgbouncer');
    if (!server.own) return skip(this, 'not with UNDROP_TEST_URL');
    database = await server.createDatabase();
    project = makeProject();
    // PgBouncer refuses to run as root, and its user must be able to enter the folder.
    folder = mkdtempSync('/tmp/undrop-pgbouncer-');
    chmodSync(folder, 0o777);
  });

  afterEach(() => {
    bouncer?.kill('SIGKILL');
  });

  after(() => {
    project?.remove();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  async function start(poolMode: string, settings = ''): Promise<string> {
    const { host, port } = server.config('postgres');
    const listen = await freePort();
    const [users, config, log] = ['users', `${listen}.ini`, `${listen}.log`].map((name) =>
      join(folder, name),
    );
    writeFileSync(users as string, '"postgres" ""\n');
    writeFileSync(
      config as string,
      `[databases]\n* = host=${host} port=${port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${listen}\n` +
        `unix_socket_dir =\nauth_type = trust\nauth_file = ${users}\npool_mode = ${poolMode}\nlogfile = ${log}\n${settings}\n`,
    );
    const runAs = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    bouncer = spawn(program as string, ['-q', config as string], { ...runAs, stdio: 'ignore' });
    const started = bouncer;
    await until(() => {
      if (started.exitCode !== null) throw new Error(`PgBouncer did not start: ${log}`);
      return existsSync(log as string) && /process up/.test(readFileSync(log as string, 'utf8'));
    });
    return `postgres://postgres@127.0.0.1:${listen}/${database.name}`;
  }

  for (const poolMode of ['transaction', 'session']) {
    it(`with pool_mode ${poolMode}, a knexfile of the project works`, async () => {
      const url = await start(poolMode, 'server_round_robin = 1');
      await server.sql(database.name, 'create table gone (id int primary key); create table stays (id int)');
      const { up, down } = reversibleDrop({ name: 'behind_a_pooler', tables: ['gone'] });
      const knex = knexLib({ client: 'pg', connection: url, pool: { min: 0, max: 4 } });
      const isThere = async () =>
        (await knex.raw(`select pg_catalog.to_regclass('gone') is not null as there`)).rows[0].there;
      try {
        for (let turn = 0; turn < 3; turn++) {
          // Other transactions, so that each one here has another connection to the server.
          const others = [1, 2].map(() => knex.transaction((other) => other.raw('select pg_sleep(0.1)')));
          await quietly(() => knex.transaction(up));
          expect(await isThere()).to.equal(false);
          await quietly(() => knex.transaction(down));
          expect(await isThere()).to.equal(true);
          await Promise.all(others);
        }
      } finally {
        await knex.destroy();
        await server.sql(database.name, 'drop schema undrop cascade; drop table gone, stays');
      }
    });
  }

  it('with room for one connection, up is refused', async () => {
    const url = await start('transaction', 'default_pool_size = 1');
    await server.sql(database.name, 'create table gone (id int primary key)');
    const { up } = reversibleDrop({ name: 'behind_a_narrow_pooler', tables: ['gone'] });
    const knex = knexLib({ client: 'pg', connection: url });
    try {
      const error = await refusalOf(
        quietly(() => knex.transaction(up)),
        'no-connection',
      );
      expect(error.message).to.contain('second connection');
    } finally {
      await knex.destroy();
      await server.sql(database.name, 'drop table gone');
    }
  });

  for (const poolMode of ['transaction', 'session']) {
    // The pool modes cannot be distinguished from outside.
    it(`with pool_mode ${poolMode}, Knex and the commands refuse at the start`, async () => {
      const env = { DATABASE_URL: await start(poolMode) };
      const commands = [
        project.knex('migrate:latest', { env }),
        project.knex('migrate:rollback', { env }),
        project.knex('seed:run', { env }),
        project.undrop('status', { env }),
        project.undrop('verify', { env }),
      ];
      for (const { status, text } of await Promise.all(commands)) {
        expect(text).to.match(
          /^unsupported-server: 127\.0\.0\.1:\d+ is a connection pooler, not the server itself\.$/m,
        );
        expect(text).to.include('Connect directly');
        expect(status).to.equal(1);
      }
      const [left] = await server.sql(
        database.name,
        `select to_regnamespace('undrop') is null as clean,
          (select count(*)::int from pg_locks where locktype = 'advisory') as locks`,
      );
      expect(left).to.deep.equal({ clean: true, locks: 0 });
    });
  }
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const listener = createServer().listen(0, '127.0.0.1', () => {
      const { port } = listener.address() as { port: number };
      listener.close(() => resolve(port));
    });
  });
}
