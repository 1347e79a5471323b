import { expect } from 'chai';
import { digestRows } from '../src/rows.ts';
import { inSession } from '../src/session.ts';
import { freshDatabase } from './support/fresh-database.ts';
import type { Runner } from './support/migrate.ts';
import { type TestDatabase, type TestServer, testServer } from './support/server.ts';

/** A type, a value, and another one: many of the pairs are equal to the server. */
const pairs: readonly (readonly [type: string, was: string, is: string])[] = [
  ['boolean', 'true', 'false'],
  ['"char"', `'a'`, `'b'`],
  ['smallint', '1', '-1'],
  ['integer', '1', 'null'],
  ['bigint', '4294967297', '1'],
  ['oid', '1', '2'],
  ['text', `'a'`, `'a '`],
  ['text collate nobody_minds', `'a'`, `'A'`],
  ['varchar(9)', `''`, 'null'],
  ['char(9)', `'a'`, `'b'`],
  ['name', `'a'`, `'b'`],
  ['bytea', `'\\x00'`, `'\\x0000'`],
  ['uuid', `'00000000-0000-0000-0000-000000000001'`, `'00000000-0000-0000-0000-000000000010'`],
  ['date', `'infinity'`, `'2024-01-01'`],
  ['time', `'10:00'`, `'10:00:00.000001'`],
  ['timetz', `'10:00+01'`, `'09:00+00'`],
  ['timestamp', `'2024-01-01'`, `'2024-01-02'`],
  ['timestamptz', `'2024-01-01'`, `'-infinity'`],
  ['interval', `'1 mon'`, `'30 days'`],
  ['numeric', '1.0', '1.00'],
  ['real', '0', `'-0'`],
  ['double precision', '0', `'-0'`],
  ['numeric[]', `'{1.0}'`, `'{1.00}'`],
  ['int[]', `'{1,2}'`, `'[0:1]={1,2}'`],
  ['json', `'{"a":1}'`, `'{"a": 1}'`],
  ['jsonb', `'1.0'`, `'1.00'`],
  ['xml', `'<a/>'`, `'<b/>'`],
  ['point', `'(0,0)'`, `'(-0,0)'`],
  ['inet', `'10.0.0.1/8'`, `'10.0.0.1/9'`],
  ['mood', `'happy'`, `'sad'`],
  ['price', '1.0', '1.00'],
  ['pair', `'(1.0,2)'`, `'(1.00,2)'`],
  ['numrange', `'[1.0,2]'`, `'[1.00,2]'`],
];

describe('the digest of rows', () => {
  let server: TestServer;
  let database: TestDatabase;
  let run: Runner;

  before(async () => {
    server = await testServer();
    ({ database, run } = await freshDatabase(
      server,
      `create type mood as enum ('happy', 'sad');
       create domain price as numeric;
       create type pair as (a numeric, b int);
       create collation nobody_minds (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
    ));
  });

  after(async () => {
    await run.end();
    await server.dropDatabase(database.name);
  });

  const digest = () => inSession(run.knex, (session) => digestRows(session, 'public.t'));
  /** Of a table that is made anew. */
  const digestOf = async (sql: string) => {
    await run.knex.raw(`drop table if exists t; ${sql}`);
    return digest();
  };

  for (const [type, was, is] of pairs) {
    it(`tells ${was} from ${is}, of type ${type}`, async () => {
      const before = await digestOf(`create table t (id int, v ${type}); insert into t values (1, ${was})`);
      const same = await digestOf(`create table t (id int, v ${type}); insert into t values (1, ${was})`);
      expect(same).to.deep.equal(before);
      await run.knex.raw(`update t set v = ${is}`);
      expect(await digest()).not.to.deep.equal(before);
    });
  }

  it('tells which value stands in which row, and in which column', async () => {
    const table = 'create table t (a int, b int, c text, d numeric);';
    const one = await digestOf(`${table} insert into t values (1, 2, 'x', 3), (2, 1, 'y', 4)`);
    const others = [
      `(1, 2, 'y', 3), (2, 1, 'x', 4)`,
      `(1, 2, 'x', 4), (2, 1, 'y', 3)`,
      `(2, 1, 'x', 3), (1, 2, 'y', 4)`,
      `(1, 2, 'x', 3), (1, 2, 'y', 4)`,
      `(1, 2, 'x', 3)`,
      `(1, 2, 'x', 3), (2, 1, 'y', 4), (2, 1, 'y', 4)`,
    ];
    for (const rows of others) {
      expect(await digestOf(`${table} insert into t values ${rows}`), rows).not.to.deep.equal(one);
    }
  });

  it('does not tell in which order they lie, nor what columns there once were', async () => {
    const one = await digestOf(`create table t (a int, b text); insert into t values (1, 'x'), (2, null)`);
    const other = await digestOf(
      `create table t (z int, a int, b text); alter table t drop z; insert into t values (2, null), (1, 'x')`,
    );
    expect(other).to.deep.equal(one);
  });

  it('is there for no rows, and of rows without columns', async () => {
    expect(await digestOf('create table t (a int)')).to.deep.equal({ count: '0', digest: '' });
    const one = await digestOf('create table t (); insert into t default values');
    const two = await digestOf(
      'create table t (); insert into t default values; insert into t default values',
    );
    expect([one.count, two.count]).to.deep.equal(['1', '2']);
  });

  it('is the same of a large table, which several processes may read, and by one process', async () => {
    await run.knex.raw(`drop table if exists t; create table t (a int, b text);
      insert into t select i, repeat('x', 100) from generate_series(1, 200000) as i`);
    const parallel = await digest();
    const alone = await inSession(run.knex, async (session) => {
      await session.run('set local max_parallel_workers_per_gather = 0');
      return digestRows(session, 'public.t');
    });
    expect(parallel).to.deep.equal(alone);
  });
});
