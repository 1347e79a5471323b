import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import knexLib, { type Knex } from 'knex';
import pg from 'pg';
import { reversibleDrop } from '../src/index.ts';
import { inSession } from '../src/session/session.ts';
import { type Statements, statementsOn } from '../src/session/statements.ts';
import { quietly } from '../src/text/log.ts';
import { together } from '../src/text/together.ts';
import { type Runner, refusal, refusalOf } from './support/migrate.ts';
import { onEmbedded, type TestDatabase } from './support/server.ts';
import { skip } from './support/skip.ts';
import { freshDatabase, useDatabase, useServer } from './support/use-database.ts';

/** What a promise is rejected with. */
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: Error) => error.message,
  );

describe('statements', () => {
  const server = useServer();
  let database: TestDatabase;
  let run: Runner;
  let client: pg.Client;
  let statements: Statements;
  /** The most statements that the driver had at a time. */
  let most: number;

  const open = async (settings: pg.ClientConfig = {}) => {
    client = new pg.Client({ connectionString: database.url, ...settings });
    await client.connect();
    // A connection that is ended says so to whoever listens.
    client.on('error', () => undefined);
    most = 0;
    let now = 0;
    const { query } = client;
    client.query = ((...given: unknown[]) => {
      const answer: Promise<unknown> = Reflect.apply(query, client, given);
      most = Math.max(most, ++now);
      const ended = () => now--;
      answer.then(ended, ended);
      return answer;
    }) as typeof client.query;
    statements = statementsOn(client);
  };
  const ask = (text: string, ...values: unknown[]) => statements.run(text, values);

  before(async () => {
    ({ database, run } = await freshDatabase(server, 'create table t (id int primary key, note text)'));
  });

  after(async () => {
    await run.end();
    await server.dropDatabase(database.name);
  });

  beforeEach(() => open());
  afterEach(() => client.end().catch(() => undefined));

  it('go to the driver one after the other, and each gives its own rows', async () => {
    const later = async () => [
      ...(await Promise.resolve([])),
      ...(await ask('select 2 as two where $1', true)),
    ];
    const all = await together([
      ask('select 1 as one, null as nothing'),
      later(),
      ask('select i as number from pg_catalog.generate_series(1, $1::int) as i', 2),
      ask('select where false'),
      ask('insert into t (id, note) values ($1, $2)', 1, 'x'),
      statements.run('delete from t returning id, note'),
    ]);
    expect(all).to.deep.equal([
      [{ one: '1', nothing: null }],
      [{ two: '2' }],
      [{ number: '1' }, { number: '2' }],
      [],
      [],
      [{ id: '1', note: 'x' }],
    ]);
    expect(most).to.equal(1);
  });

  it('keep their order', async () => {
    const [, before, , after] = await together([
      statements.run('insert into t values (2)'),
      ask('select id from t where id > $1', 0),
      statements.run('delete from t; insert into t values (3)'),
      statements.read('select id from t'),
    ]);
    expect([before, after]).to.deep.equal([[{ id: '2' }], [{ id: 3 }]]);
    await statements.run('delete from t');
  });

  it('give the rows of all, if they are sent in one text', async () => {
    const rows = await statements.run('select 1 as one; delete from t; select 2 as two');
    expect(rows).to.deep.equal([{ one: '1' }, { two: '2' }]);
  });

  for (const value of [
    null,
    '',
    'null',
    `a "b" \\ 'c' {d,e}\n`,
    -1.5,
    12345678901234567890n,
    true,
    [],
    [1, null, 2],
    ['', 'null', 'NULL', null, `"\\'{,}\t`, 'ü', ' '],
  ]) {
    const written = typeof value === 'bigint' ? String(value) : JSON.stringify(value);
    it(`hand over ${written}`, async () => {
      const type = Array.isArray(value) ? 'text[]' : 'text';
      const [row] = await ask(`select pg_catalog.to_json($1::${type})::text as value`, value);
      const asText = (one: unknown) => (one === null ? null : String(one));
      expect(JSON.parse(row?.value ?? 'null')).to.deep.equal(
        Array.isArray(value) ? value.map(asText) : asText(value),
      );
    });
  }

  for (const pipeline of [false, true]) {
    it(`fail with the first error of the transaction, ${pipeline ? 'pipelined' : 'one by one'}`, async () => {
      await client.end();
      await open({ pipeline } as pg.ClientConfig);
      const divide = (by: number) => ask('select 1 / $1::int as whole', by);
      await statements.run('begin; savepoint s');
      const errors = await Promise.all([
        failure(ask('select $1', 1)),
        failure(divide(0)),
        failure(ask('insert into t (id) values ($1)', 4)),
        failure(statements.run('select not_there')),
      ]);
      expect(errors).to.deep.equal([undefined, 'division by zero', 'division by zero', 'division by zero']);
      await statements.run('rollback to savepoint s');
      expect(await together([divide(1), statements.read('select * from t')])).to.deep.equal([
        [{ whole: '1' }],
        [],
      ]);
      await statements.run('rollback');
      expect(most > 1).to.equal(pipeline);
    });
  }

  it('that failed before say so by the state of the transaction', async () => {
    await client.query('begin');
    await failure(client.query('select not_there'));
    expect(await failure(ask('select 1'))).to.match(/current transaction is aborted/);
  });

  it('end where the connection does', async function () {
    if (onEmbedded) skip(this, 'the embedded server has one session for all');
    const errors = await Promise.all([
      failure(ask('select pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())')),
      failure(ask('select 1')),
      failure(statements.run('select 1')),
    ]);
    expect(errors.every((error) => error !== undefined)).to.equal(true);
    expect(await failure(ask('select 3'))).to.match(/not queryable|terminat/i);
  });
});

describe('a driver', () => {
  let knex: Knex;

  afterEach(() => knex.destroy());

  const { database, run } = useDatabase(
    useServer(),
    `create table pace (seconds float);
     insert into pace values (0);
     create function slow(id bigint) returns boolean language plpgsql
       as 'begin perform pg_sleep(seconds) from public.pace; return true; end';
     create table t (id bigint primary key check (slow(id)), yes boolean, note name default 'n');
     insert into t (id, yes) values (1, true), (2, false)`,
  );

  const { up, down } = reversibleDrop({ name: 'driven', tables: ['t'], rows: 'copy' });
  const rows = async () => (await run.knex.raw('select id, yes, note from t order by id')).rows;
  const isThere = async () =>
    (await run.knex.raw(`select pg_catalog.to_regclass('t') is not null as there`)).rows[0].there;

  /** Tables go and come back, rows and all. */
  const works = async () => {
    const before = await rows();
    await quietly(() => knex.transaction(up));
    expect(await isThere()).to.equal(false);
    await quietly(() => knex.transaction(down));
    expect(await rows()).to.deep.equal(before);
  };

  const open = (connection: object) => {
    knex = knexLib({
      client: 'pg',
      connection: { connectionString: database.url, ...connection },
      // The embedded server takes one client at a time.
      pool: { min: 0, max: 1, ...(onEmbedded ? { idleTimeoutMillis: 1, reapIntervalMillis: 1 } : {}) },
      log: { warn: () => undefined },
    });
  };

  it('keeps no prepared statement', async function () {
    open({});
    if (onEmbedded) skip(this, 'the next client of the embedded server finds nothing of the one before');
    await works();
    const found = await knex.raw('select name, statement from pg_catalog.pg_prepared_statements');
    expect(found.rows).to.deep.equal([]);
  });

  it('is never given two statements at a time', async () => {
    const warnings: string[] = [];
    const warned = ({ message }: Error) => warnings.push(message);
    process.on('warning', warned);
    open({});
    await works();
    await sleep(1);
    process.off('warning', warned);
    expect(warnings).to.deep.equal([]);
  });

  it('may have parsers of the application', async () => {
    open({});
    const { builtins, getTypeParser, setTypeParser } = pg.types;
    // Knex itself reads texts.
    const kinds = [...Object.values(builtins), 19]
      .filter((oid) => oid !== builtins.TEXT)
      .map((oid) => [oid, getTypeParser(oid)] as const);
    for (const [oid] of kinds) setTypeParser(oid, () => 'parsed');
    try {
      await quietly(() => knex.transaction(up));
      await quietly(() => knex.transaction(down));
    } finally {
      for (const [oid, parser] of kinds) setTypeParser(oid, parser);
    }
    expect(await rows()).to.have.lengthOf(2);
  });

  it('may send without waiting', async () => {
    open({ pipeline: true });
    await works();
  });

  it('that sends without waiting has no COPY', async () => {
    open({ pipeline: true });
    const copied = inSession(knex, (session) => session.copyOut('copy t to stdout', async () => undefined));
    const error = await refusalOf(copied, 'bad-options');
    expect(error.next).to.contain('pipeline');
  });

  it('may have a query_timeout', async () => {
    open({ query_timeout: 60_000 });
    await works();
  });

  it('whose query_timeout is over leaves nothing behind', async function () {
    open({ query_timeout: 3_000 });
    if (onEmbedded) skip(this, 'the embedded server has one session for all');
    await run.knex.raw('update pace set seconds = 20');
    const error = await refusalOf(
      quietly(() => up(knex)),
      'no-connection',
    );
    expect(error.message).to.contain('query_timeout');
    // The connection that was given back to the pool is another one, outside of any transaction.
    const { rows } = await knex.raw(`select pg_catalog.to_regclass('t') is not null as there,
      pg_catalog.now() = pg_catalog.statement_timestamp() as alone`);
    expect(rows).to.deep.equal([{ there: true, alone: true }]);
  });

  it('that goes by no parsers of a query, as pg-native, is refused', async () => {
    class Native extends pg.Client {
      // biome-ignore lint/suspicious/noExplicitAny: it has many forms
      override query(config: any, ...more: any[]): any {
        return super.query(typeof config === 'object' ? { ...config, types: undefined } : config, ...more);
      }
    }
    open({});
    Object.assign(knex.client, { driver: { ...pg, Client: Native } });
    const error = await refusal(quietly(() => knex.transaction(up)));
    expect(error.code).to.equal('unsupported-server');
    expect(error.message).to.contain('pg-native');
    expect(await isThere()).to.equal(true);
  });

  it('and works of a session have ended before the first error is thrown', async () => {
    open({});
    const events: string[] = [];
    const error = await refusal(
      inSession(knex, (session) => {
        const slow = async () => {
          await session.read('select 1');
          events.push('read');
          await session.read('select 2').catch((error: Error) => events.push(error.message));
        };
        const bad = async () => {
          await session.read('select 1');
          await session.read('select 1 / $1::int', [0]);
        };
        return session.together([slow(), bad(), slow()]).finally(() => events.push('ended'));
      }),
    );
    expect(String(error.reason)).to.contain('division by zero');
    expect(events).to.deep.equal(['read', 'read', 'division by zero', 'ended']);
  });
});
