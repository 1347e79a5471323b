import { reversibleDrop } from '../src/index.ts';
import { openTuring, transacting } from './database.ts';
import { lockedFor } from './locked-for.ts';
import { head, host, measure, median, row, singleRow } from './measure.ts';

/*
 * A table of a million rows with `rows: 'copy'`: `up`, compared with CREATE TABLE AS; `down`, compared with an INSERT of the
 * same rows into a table without indexes and constraints, which are created afterwards. And how long `up` locks the
 * referenced table exclusively while it copies a table of 274 MB with four indexes.
 */

const bench = await openTuring();
const migration = reversibleDrop({ name: 'rows', tables: ['events'], rows: 'copy' });
const { up, down } = transacting(bench.knex, migration);

const bareSql = /* sql */ `
  create table events (id bigint not null, kind int not null, at timestamptz not null, text text not null)`;
const restSql = /* sql */ `
  alter table events add primary key (id), add check (kind >= 0);
  create index events_kind_idx on events (kind, at)`;
const fillSql = /* sql */ `
  insert into events select i, i % 1000, now() - i * interval '1 s', 'request ' || i || ' of ' || md5(i::text)
    from generate_series(1, 1000000) as i`;
const largeSql = /* sql */ `
  create table sources (id int primary key);
  insert into sources select generate_series(0, 999);
  create table large (id bigint, source int, at timestamptz, text text);
  insert into large select i, i % 1000, now() - i * interval '1 s', repeat(md5(i::text), 5)
    from generate_series(1, 1280000) as i;
  alter table large add primary key (id), add foreign key (source) references sources;
  create index on large (source, at);
  create index on large (at);
  create index on large (text)`;
const inTransaction = (...statements: string[]) =>
  bench.psql('-1', ...statements.flatMap((sql) => ['-c', sql]));
const settle = () => bench.psql('-c', 'vacuum', '-c', 'checkpoint');

try {
  await inTransaction(bareSql, fillSql, restSql);
  await settle();
  console.log(`${host()}, PostgreSQL ${bench.server.version}, fsync off\n\n${head}`);

  const copy = 'create table kept as select * from events';
  const upTimes = await measure(
    {
      name: 'up',
      run: up,
      after: async () => {
        await down();
        await settle();
      },
    },
    {
      name: 'create table as',
      run: () => inTransaction(copy),
      after: async () => {
        await bench.psql('-c', 'drop table kept');
        await settle();
      },
    },
  );
  console.log(row('up of a million rows', 'create table as', upTimes, 1.3));

  await inTransaction(copy);
  const downTimes = await measure(
    {
      name: 'down',
      before: async () => {
        await up();
        await settle();
      },
      run: down,
    },
    {
      name: 'insert, then indexes and constraints',
      before: async () => {
        await bench.psql('-c', 'drop table events');
        await settle();
      },
      run: () => inTransaction(bareSql, 'insert into events select * from kept', restSql),
    },
  );
  console.log(row('down of a million rows', 'insert, then indexes and constraints', downTimes, 1.2));
  const both = { ours: upTimes.ours, theirs: upTimes.theirs + downTimes.theirs };
  console.log(
    row(
      'up of a million rows, with the rehearsal',
      'create table as, insert, then indexes and constraints',
      { ...both, ratio: both.ours / both.theirs },
      1.3,
    ),
  );

  await inTransaction(largeSql);
  await settle();
  const large = transacting(bench.knex, reversibleDrop({ name: 'large', tables: ['large'], rows: 'copy' }));
  const observer = await bench.server.client(new URL(bench.url).pathname.slice(1));
  const locked: number[] = [];
  for (let turn = 0; turn < 3; turn++) {
    locked.push(await lockedFor(observer, ['public.sources'], large.up));
    await large.down();
    await settle();
  }
  await observer.end();
  const time = median(locked);
  console.log(singleRow('survivors locked, copy of 274 MB', `${time.toFixed(0)} ms`, '≤ 2 s', time <= 2000));
} finally {
  await bench.end();
}
