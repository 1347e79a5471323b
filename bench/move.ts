import { reversibleDrop } from '../src/index.ts';
import { openTuring, transacting } from './database.ts';
import { lockedFor } from './locked-for.ts';
import { head, host, type Measured, measure, median, row, singleRow, warmUp } from './measure.ts';

/*
 * Tables of 1,000, 1 million and 10 million rows with `rows: 'move'`: `up`, compared with ALTER TABLE … SET SCHEMA alone in
 * one transaction of psql, after its foreign key was dropped; how long the referenced table is locked; the write-ahead log
 * of `up`; `down`, and what it consists of: the foreign key reads all rows. `npx tsx bench/move.ts 1000 1000000` for other
 * numbers of rows.
 */

const given = process.argv.slice(2).map(Number);
const sizes = given.length > 0 ? given : [1_000, 1_000_000, 10_000_000];
const bench = await openTuring({ max_wal_size: '8GB' });
const observer = await bench.server.client(new URL(bench.url).pathname.slice(1));

const tableSql = (rows: number) => /* sql */ `
  create table sources (id int primary key);
  insert into sources select generate_series(0, 999);
  create table events (id bigint not null, source int not null, at timestamptz not null, text text not null);
  insert into events select i, i % 1000, now() - i * interval '1 s', 'request ' || md5(i::text)
    from generate_series(1, ${rows}) as i;
  alter table events add primary key (id), add check (source >= 0),
    add constraint events_source_fkey foreign key (source) references sources;
  create index on events (source, at)`;
const key = 'alter table events add constraint events_source_fkey foreign key (source) references sources';
const inTransaction = (...statements: string[]) =>
  bench.psql('-1', ...statements.flatMap((sql) => ['-c', sql]));

async function walOf(work: () => Promise<unknown>): Promise<number> {
  const read = async () => (await observer.query('select pg_current_wal_lsn() as lsn')).rows[0].lsn;
  const before = await read();
  await work();
  const { rows } = await observer.query('select pg_current_wal_lsn() - $1::pg_lsn as bytes', [before]);
  return Number(rows[0].bytes);
}

try {
  console.log(`${host()}, PostgreSQL ${bench.server.version}, fsync off\n\n${head}`);
  const ups: Measured[] = [];
  for (const rows of sizes) {
    const what = `${rows.toLocaleString('en')} rows`;
    await bench.psql('-c', 'drop table if exists events, sources');
    await inTransaction(tableSql(rows));
    await bench.psql('-c', 'vacuum analyze events', '-c', 'checkpoint');
    const migration = reversibleDrop({ name: `move ${rows}`, tables: ['events'], rows: 'move' });
    const { up, down } = transacting(bench.knex, migration);
    if (ups.length === 0) await warmUp(up, down);
    const bare = [
      'alter table events drop constraint events_source_fkey',
      'create schema aside',
      'alter table events set schema aside',
    ];
    const back = ['alter table aside.events set schema public', 'drop schema aside', key];
    const measured = await measure(
      { name: 'up', run: up, after: down },
      { name: 'set schema', run: () => inTransaction(...bare), after: () => inTransaction(...back) },
      rows > 1_000_000 ? 3 : 9,
    );
    ups.push(measured);
    console.log(row(`up, ${what}`, 'drop key, set schema', measured, 8));

    const locked: number[] = [];
    const wal: number[] = [];
    const downs: Measured = await measure(
      {
        name: 'down',
        before: async () => {
          wal.push(await walOf(async () => locked.push(await lockedFor(observer, ['public.sources'], up))));
        },
        run: down,
      },
      {
        name: 'set schema, add key',
        before: () => inTransaction(...bare),
        run: () => inTransaction(...back),
      },
      rows > 1_000_000 ? 3 : 9,
    );
    console.log(row(`down, ${what}`, 'set schema, add key', downs, 1.5));
    const time = median(locked);
    console.log(singleRow(`survivors locked, ${what}`, `${time.toFixed(1)} ms`, '≤ 60 ms', time <= 60));
    console.log(
      singleRow(`write-ahead log of up, ${what}`, `${(median(wal) / 1024).toFixed(0)} kB`, '', true),
    );
  }
  const [first, last] = [ups[0]?.ours ?? 0, ups.at(-1)?.ours ?? 0];
  const ratio = last / first;
  console.log(singleRow('up, most rows to fewest', ratio.toFixed(2), '≤ 1.2', ratio <= 1.2));
} finally {
  await bench.end();
}
