import { expect } from 'chai';
import { digestRows } from '../src/archive/digest-rows.ts';
import { inSession } from '../src/session/session.ts';
import type { Runner } from './support/migrate.ts';
import type { TestDatabase } from './support/server.ts';
import { freshDatabase, useServer } from './support/use-database.ts';

/** A type, a value, and a different one; for the server, many of the pairs are equal. */
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
  ['money', '0', `'42949672.97'`],
  ['bigint', '0', '4294967297'],
  ['timestamp', `'2000-01-01'`, `timestamp '2000-01-01' + 4294967297 * interval '1 microsecond'`],
  ['numrange', `'[1.0,2]'`, `'[1.00,2]'`],
];

const integer = '(1::bit(64) << b)::bigint';
const micros = `make_interval(hours => (${integer} / 3600000000)::int,
  secs => (${integer} % 3600000000)::float8 / 1000000)`;
const bytes = `set_bit(decode(repeat('00', 16), 'hex'), b, 1)`;
const hex = `encode(${bytes}, 'hex')`;
const letters = `overlay(repeat('A', 16) placing chr(65 # (1 << b % 7)) from b / 7 + 1 for 1)`;

/** A type, a number of bits, and a value in which only bit `b` is set or differs from the others. */
const bits: readonly (readonly [type: string, count: number, value: string])[] = [
  ['boolean', 1, 'true'],
  ['"char"', 8, `(${integer} - case when b = 7 then 256 else 0 end)::int::"char"`],
  ['smallint', 16, `(${integer} - case when b = 15 then 65536 else 0 end)::int2`],
  ['integer', 32, '(1::bit(32) << b)::int'],
  ['bigint', 64, integer],
  ['oid', 32, `(${integer})::oid`],
  ['xid', 32, `(${integer})::text::xid`],
  ['xid8', 63, `(${integer})::text::xid8`],
  ['tid', 32, `format('(%s,1)', ${integer})::tid`],
  ['pg_lsn', 63, `'0/0'::pg_lsn + (${integer})::numeric`],
  ['money', 63, `((${integer})::numeric / 100)::money`],
  ['date', 22, `date '2000-01-01' + (${integer})::int`],
  ['time', 37, `time '00:00' + ${micros}`],
  ['timetz', 37, `timetz '00:00+00' + ${micros}`],
  ['timestamp', 63, `timestamp '2000-01-01' + ${micros}`],
  ['timestamptz', 63, `timestamptz '2000-01-01Z' + ${micros}`],
  ['interval', 63, micros],
  ['interval', 31, `make_interval(days => (${integer})::int)`],
  ['interval', 31, `make_interval(months => (${integer})::int)`],
  ['numeric', 64, integer],
  ['numeric', 100, "('0.' || repeat('0', b) || '1')::numeric"],
  ['numeric', 100, "('1.' || repeat('0', b))::numeric"],
  ['real', 23, `(1 + 2::float8 ^ (-1 - b))::real`],
  ['real', 253, `(2::float8 ^ (b - 126))::real`],
  ['double precision', 52, `1 + 2::float8 ^ (-1 - b)`],
  [
    'double precision',
    2045,
    `case when b > 1022 then 2::float8 ^ (b - 1022) else 1 / 2::float8 ^ (1022 - b) end`,
  ],
  ['text', 112, letters],
  ['varchar(16)', 112, letters],
  ['char(16)', 112, letters],
  ['bytea', 128, bytes],
  ['uuid', 128, `${hex}::uuid`],
  ['bit(128)', 128, `('x' || ${hex})::bit(128)`],
  ['varbit', 100, `repeat('0', b)::varbit`],
  ['macaddr8', 64, `left(${hex}, 16)::macaddr8`],
  ['macaddr', 48, `left(${hex}, 12)::macaddr`],
  ['inet', 32, `inet '0.0.0.0' + ${integer}`],
  ['inet', 32, `set_masklen(inet '0.0.0.0', b)`],
  ['point', 52, `point(1 + 2::float8 ^ (-1 - b), 0)`],
  ['jsonb', 64, `to_jsonb(${integer})`],
  ['bigint[]', 64, `array[${integer}]`],
  ['int8range', 64, `int8range(${integer}, null)`],
  ['longs', 64, `row(${integer})::public.longs`],
  ['long', 64, integer],
];

describe('the digest of rows', () => {
  const server = useServer();
  let database: TestDatabase;
  let run: Runner;

  before(async () => {
    ({ database, run } = await freshDatabase(
      server,
      `create type mood as enum ('happy', 'sad');
       create domain price as numeric;
       create type pair as (a numeric, b int);
       create type longs as (a int8);
       create domain long as int8;
       create collation nobody_minds (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
    ));
  });

  after(async () => {
    await run.end();
    await server.dropDatabase(database.name);
  });

  const digest = () => inSession(run.knex, (session) => digestRows(session, 'public.t'));
  /** Returns the digest of a new table with these rows. */
  const digestOf = async (sql: string) => {
    await run.knex.raw(`drop table if exists t; ${sql}`);
    return digest();
  };

  for (const [type, was, is] of pairs) {
    it(`distinguishes ${was} from ${is}, of type ${type}`, async () => {
      const before = await digestOf(`create table t (id int, v ${type}); insert into t values (1, ${was})`);
      const same = await digestOf(`create table t (id int, v ${type}); insert into t values (1, ${was})`);
      expect(same).to.deep.equal(before);
      await run.knex.raw(`update t set v = ${is}`);
      expect(await digest()).not.to.deep.equal(before);
    });
  }

  for (const [type, count, value] of bits) {
    it(`depends on each of ${count} bits of ${type}`, async () => {
      await run.knex.raw(`drop table if exists t; create table t (v ${type})`);
      const digests = new Set(['']);
      await inSession(run.knex, async (session) => {
        for (let bit = 0; bit < count; bit++) {
          await session.run(
            `delete from public.t; insert into public.t select ${value} from (values (${bit})) as b (b)`,
          );
          digests.add((await digestRows(session, 'public.t')).digest);
        }
      });
      expect(digests.size).to.equal(count + 1);
    });
  }

  it('depends on the row and the column of each value', async () => {
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

  it('distinguishes rows whose hashes are equal in half of their bits', async () => {
    const [pair] = await run.rows<{ rows: number[] }>(`
      select array_agg(i) as rows from generate_series(1, 400000) as i
      group by hashint8extended(hash_record_extended(row(i), 0), 0) having count(*) > 1 limit 1`);
    const [one, other] = pair?.rows ?? [];
    expect(one).not.to.equal(other);
    const first = await digestOf(`create table t (a int); insert into t values (${one})`);
    expect(await digestOf(`create table t (a int); insert into t values (${other})`)).not.to.deep.equal(
      first,
    );
  });

  it('does not depend on the physical order of rows or on dropped columns', async () => {
    const one = await digestOf(`create table t (a int, b text); insert into t values (1, 'x'), (2, null)`);
    const other = await digestOf(
      `create table t (z int, a int, b text); alter table t drop z; insert into t values (2, null), (1, 'x')`,
    );
    expect(other).to.deep.equal(one);
  });

  it('exists for no rows, and for rows without columns', async () => {
    expect(await digestOf('create table t (a int)')).to.deep.equal({ count: '0', digest: 'v3 0 0' });
    const one = await digestOf('create table t (); insert into t default values');
    const two = await digestOf(
      'create table t (); insert into t default values; insert into t default values',
    );
    expect([one.count, two.count]).to.deep.equal(['1', '2']);
  });

  it('of a large table is the same whether one process reads it or several', async () => {
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
