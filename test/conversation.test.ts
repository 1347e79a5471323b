import { expect } from 'chai';
import knexLib from 'knex';
import pg from 'pg';
import { reversibleDrop } from '../src/index.ts';
import { Conversation } from '../src/session/conversation.ts';
import { inSession } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { together } from '../src/text/together.ts';
import { freshDatabase } from './support/fresh-database.ts';
import { type Runner, refusal } from './support/migrate.ts';
import { onEmbedded, type TestDatabase, type TestServer, testServer } from './support/server.ts';
import { skip } from './support/skip.ts';

/** What a promise is rejected with. */
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: Error) => error.message,
  );

describe('a conversation', () => {
  let server: TestServer;
  let database: TestDatabase;
  let run: Runner;
  let client: pg.Client;
  let conversation: Conversation;
  /** How many messages the client was given. */
  let messages: number;

  const open = async (settings: pg.ClientConfig = {}) => {
    client = new pg.Client({ connectionString: database.url, ...settings });
    await client.connect();
    // A connection that is ended says so to whoever listens.
    client.on('error', () => undefined);
    messages = 0;
    const { query } = client;
    client.query = ((...given: unknown[]) => {
      messages++;
      return Reflect.apply(query, client, given);
    }) as typeof client.query;
    conversation = new Conversation(client);
  };
  const ask = (text: string, ...values: unknown[]) => conversation.prepared(text, values, true);

  before(async () => {
    server = await testServer();
    ({ database, run } = await freshDatabase(server, 'create table t (id int primary key, note text)'));
  });

  after(async () => {
    await run.end();
    await server.dropDatabase(database.name);
  });

  beforeEach(() => open());
  afterEach(() => client.end().catch(() => undefined));

  it('says in one message what is asked for together, and gives each its own rows', async () => {
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
      ask('delete from t returning id, note'),
    ]);
    expect(all).to.deep.equal([
      [{ one: '1', nothing: null }],
      [{ two: '2' }],
      [{ number: '1' }, { number: '2' }],
      [],
      [],
      [{ id: '1', note: 'x' }],
    ]);
    expect(messages).to.equal(1);
  });

  it('keeps the order of what cannot go together', async () => {
    const [, before, , after] = await together([
      conversation.run('insert into t values (2)'),
      ask('select id from t'),
      conversation.run('delete from t; insert into t values (3)'),
      ask('select id from t'),
    ]);
    expect([before, after]).to.deep.equal([[{ id: '2' }], [{ id: '3' }]]);
    expect(messages).to.equal(4);
    await conversation.run('delete from t');
  });

  it('says along with the next what waits for no answer', async () => {
    conversation.mention(`select pg_catalog.set_config('application_name', $1, false)`, ['it']);
    expect(await ask(`select pg_catalog.current_setting('application_name') as name`)).to.deep.equal([
      { name: 'it' },
    ]);
    expect(messages).to.equal(1);
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
    it(`hands over ${written}`, async () => {
      const type = Array.isArray(value) ? 'text[]' : 'text';
      const [row] = await ask(`select pg_catalog.to_json($1::${type})::text as value`, value);
      const asText = (one: unknown) => (one === null ? null : String(one));
      expect(JSON.parse(row?.value ?? 'null')).to.deep.equal(
        Array.isArray(value) ? value.map(asText) : asText(value),
      );
    });
  }

  it('fails what comes after a failure, and can say all of it again', async () => {
    const divide = (by: number) => ask('select 1 / $1::int as whole', by);
    await conversation.run('begin; savepoint s');
    const errors = await Promise.all([
      failure(ask('select 1')),
      failure(divide(0)),
      failure(ask('insert into t (id) values ($1)', 4)),
      failure(ask('select not_there')),
    ]);
    expect(errors).to.deep.equal([undefined, 'division by zero', 'division by zero', 'division by zero']);
    await conversation.run('rollback to savepoint s');
    expect(await together([divide(1), ask('select pg_catalog.count(*) as rows from t')])).to.deep.equal([
      [{ whole: '1' }],
      [{ rows: '0' }],
    ]);
    await conversation.run('rollback');
  });

  it('plans once what comes again, and not what does not', async () => {
    for (let turn = 0; turn < 2; turn++) {
      await together([
        ask('select $1::int as again', 1),
        ask('select $1::int as again', 2),
        conversation.prepared('select $1::int as once', [1], false),
        conversation.prepared('select $1::text as once', ['x'], false),
      ]);
    }
    const planned =
      await ask(`select statement from pg_catalog.pg_prepared_statements where statement ~ 'as once|again'
      and statement !~ 'pg_prepared' order by 1`);
    expect(planned).to.deep.equal([{ statement: 'select $1::int as again' }]);
  });

  it('ends where the connection does', async function () {
    if (onEmbedded) skip(this, 'the embedded server has one session for all');
    const errors = await Promise.all([
      failure(ask('select pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())')),
      failure(ask('select 1')),
      failure(conversation.run('select 1')),
      failure(ask('select 2')),
    ]);
    expect(errors.every((error) => error !== undefined)).to.equal(true);
    expect(await failure(ask('select 3'))).to.match(/not queryable|terminat/i);
  });

  it('goes by the time that the driver was given', async () => {
    await client.end();
    await open({ query_timeout: 300 });
    expect(await together([ask('select 1 as one'), ask('select 2 as two')])).to.have.lengthOf(2);
    expect(await failure(ask('select pg_catalog.pg_sleep(2)'))).to.match(/timeout/i);
  });

  it('leaves it to a driver that itself sends without waiting', async () => {
    await client.end();
    const connection = { connectionString: database.url, pipeline: true };
    const knex = knexLib({ client: 'pg', connection });
    const { up, down } = reversibleDrop({ name: 'piped', tables: ['t'] });
    const found = async () =>
      (await knex.raw(`select pg_catalog.to_regclass('t')::text as name`)).rows[0].name;
    try {
      await quietly(() => knex.transaction(up));
      expect(await found()).to.equal(null);
      await quietly(() => knex.transaction(down));
      expect(await found()).to.equal('t');
    } finally {
      await knex.destroy();
    }
  });

  it('of a session has ended before the first error is thrown', async () => {
    await client.end();
    const events: string[] = [];
    const error = await refusal(
      inSession(run.knex, (session) => {
        const slow = async () => {
          await session.read('select 1', []);
          events.push('read');
          await session.read('select 2', []).catch((error: Error) => events.push(error.message));
        };
        const bad = async () => {
          await session.read('select 1', []);
          await session.read('select 1 / $1::int', [0]);
        };
        return session.together([slow(), bad(), slow()]).finally(() => events.push('ended'));
      }),
    );
    expect(String(error.reason)).to.contain('division by zero');
    expect(events.at(-1)).to.equal('ended');
    expect(events.filter((event) => event === 'read')).to.have.lengthOf(2);
  });
});
