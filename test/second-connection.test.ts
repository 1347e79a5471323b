import { expect } from 'chai';
import knexLib, { type Knex } from 'knex';
import type pg from 'pg';
import { withSecondConnection } from '../src/locks/second-connection.ts';
import { inSession, type Session } from '../src/session/session.ts';
import { refusalOf } from './support/migrate.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { type TestDatabase, type TestServer, testServer } from './support/server.ts';
import { skip } from './support/skip.ts';

describe('a second connection', () => {
  let server: TestServer;
  let database: TestDatabase;
  let knex: Knex;
  let created: number;

  before(async function () {
    server = await testServer();
    if (server.embedded) skip(this, 'PGlite has one connection');
    database = await server.createDatabase();
    await server.sql(database.name, 'create table t (id int)');
  });

  after(async () => {
    if (database !== undefined) await server.dropDatabase(database.name);
  });

  beforeEach(() => {
    created = 0;
    knex = over(database.url);
  });

  afterEach(() => knex.destroy());

  const over = (connection: string) =>
    knexLib({
      client: 'pg',
      connection,
      pool: {
        min: 0,
        max: 1,
        // The time after which Knex closes an idle connection: it does not apply to the second one.
        idleTimeoutMillis: 1,
        reapIntervalMillis: 10,
        afterCreate: (client: pg.Client, done: (error?: Error) => void) => {
          created++;
          client.query(`set application_name = 'second ${created}'`, (error) => done(error));
        },
      },
    });

  const within = <T>(work: (transaction: Knex, session: Session) => Promise<T>) =>
    knex.transaction((transaction) => inSession(transaction, (session) => work(transaction, session)));
  const countSql = 'select pg_catalog.count(*)::int as count from public.t';
  const count = async (session: Pick<Session, 'read'>) =>
    (await session.read<{ count: number }>(countSql))[0]?.count;
  const states = async () =>
    (
      await server.sql<{ state: string }>(
        database.name,
        `select state from pg_stat_activity where datname = current_database() and application_name = 'second 2'`,
      )
    ).map(({ state }) => state);

  it('reads what is committed at that time, and not what the first one changes', async () => {
    await within((transaction, session) =>
      withSecondConnection(transaction, session, async (committed) => {
        await session.run('insert into public.t values (1)');
        expect(await count(session)).to.equal(1);
        expect(await committed?.(count)).to.equal(0);
        await server.sql(database.name, 'insert into t values (2)');
        expect(await committed?.(count)).to.equal(1);
        await server.sql(database.name, 'delete from t');
        expect(await committed?.(count)).to.equal(0);
        const settings = await committed?.((other) =>
          other.read(`select pg_catalog.current_setting('search_path') as path,
            pg_catalog.current_setting('plan_cache_mode') as plans, pg_catalog.current_setting('jit') as jit,
            pg_catalog.current_setting('transaction_isolation') as isolation`),
        );
        const [first] = await session.read<{ path: string }>(
          `select pg_catalog.current_setting('search_path') as path`,
        );
        expect(settings).to.deep.equal([
          { path: first?.path, plans: 'force_generic_plan', jit: 'off', isolation: 'read committed' },
        ]);
        await session.run('delete from public.t');
      }),
    );
  });

  it('is one, with the hooks of the pool, and idle between the reads until the work has ended', async () => {
    const result = await within((transaction, session) =>
      withSecondConnection(transaction, session, async (committed) => {
        await committed?.(count);
        expect(await states()).to.deep.equal(['idle']);
        // Longer than the pool would keep it.
        await session.run('select pg_catalog.pg_sleep(0.2)');
        await committed?.(count);
        expect(created).to.equal(2);
        return 'done';
      }),
    );
    expect(result).to.equal('done');
    expect(await states()).to.deep.equal([]);
  });

  it('is closed where the work fails, with its error', async () => {
    const failure = new Error('of the work');
    const work = within((transaction, session) =>
      withSecondConnection(transaction, session, async () => {
        throw failure;
      }),
    );
    expect(await work.catch((error) => error)).to.equal(failure);
    expect(await states()).to.deep.equal([]);
  });

  it('explains the errors of its reads', async () => {
    const work = within((transaction, session) =>
      withSecondConnection(transaction, session, async (committed) =>
        committed?.((other) => other.read('select from public.absent')),
      ),
    );
    expect((await refusalOf(work, 'server-error')).reason).to.contain('absent');
  });

  it('is not opened on a server that has no other sessions', async () => {
    const found = await within((transaction, session) => {
      const alone: Session = { ...session, server: { ...session.server, shared: false } };
      return withSecondConnection(transaction, alone, async (committed) => committed);
    });
    expect(found).to.equal(undefined);
    expect(created).to.equal(1);
  });

  it('to another server is refused', async () => {
    const work = within((transaction, session) => {
      const elsewhere: Session = {
        ...session,
        read: async <Row extends object>() => [{ identity: 'another' }] as Row[],
      };
      return withSecondConnection(transaction, elsewhere, async (committed) => committed?.(count));
    });
    expect(await refusalOf(work, 'unsupported-server')).to.include({
      subject: database.name,
      message: 'Two connections with the same settings reached two different servers.',
      reason: `Changes that other sessions make in ${database.name} are visible only on the same server.`,
      next: 'Nothing was changed. Connect to the server directly, not through a list of hosts or a load balancer.',
    });
  });

  it('that cannot be opened is an error of the first read, and of no work without one', async () => {
    const role = `${rolePrefix}_single`;
    await server.sql('postgres', `create role ${role} login connection limit 1`);
    const single = over(server.url(database.name, role));
    const attempt = (reads: boolean) =>
      single.transaction((transaction) =>
        inSession(transaction, (session) =>
          withSecondConnection(transaction, session, async (committed) => {
            if (reads) await committed?.((other) => other.read('select 1 as one'));
            return 'done';
          }),
        ),
      );
    const logged: unknown[] = [];
    const { log } = console;
    console.log = (line: unknown) => logged.push(line);
    try {
      const error = await refusalOf(attempt(true), 'no-connection');
      expect(error).to.include({
        subject: database.name,
        message: `A second connection to ${database.name} could not be opened.`,
        next: 'Nothing was changed. Allow two connections: check the connection limits of the role and the database, and max_connections.',
      });
      expect(error.reason.split('\n')[1]).to.equal(
        'It is needed to see what other sessions commit while the tables are captured and dropped.',
      );
      expect(error.reason).to.contain('too many connections');
      expect(error.cause).to.be.an('error');
      expect(logged, 'the log of Knex, on standard output').to.deep.equal([]);
      expect(await attempt(false)).to.equal('done');
    } finally {
      console.log = log;
      await single.destroy();
      await server.sql('postgres', `drop role ${role}`);
    }
  });
});
