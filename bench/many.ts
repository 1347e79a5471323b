import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { reversibleDrop } from '../src/index.ts';
import { compiledBuild } from '../test/support/build.ts';
import { dropAndReplay, openTuring, transacting } from './database.ts';
import { floorRow, head, host, type Measured, measure, median, row, singleRow } from './measure.ts';

/*
 * `up` of 50 to 400 tables with objects of many kinds, compared with pg_dump of these tables and one DROP; whether the time
 * grows linearly; and the peak memory of a process that runs the `up` of 400 tables.
 */

const namesOf = (count: number) => Array.from({ length: count }, (_, index) => `many_${index + 1}`);
const migrationOf = (count: number) => reversibleDrop({ name: `many_${count}`, tables: namesOf(count) });

/** Tables with a serial, keys, defaults, checks, indexes, foreign keys, a trigger, a policy, statistics, grants, comments. */
const tablesSql = (count: number) => /* sql */ `
  create table if not exists hub (id int primary key);
  create or replace function touch() returns trigger language plpgsql as $$ begin return new; end $$;
  do $do$ begin
    for i in 1 .. ${count} loop
      execute format($sql$
        create table many_%1$s (
          id serial primary key, hub_id int not null references hub, other_id int, name text not null default 'x',
          at timestamptz default now(), number numeric(10, 2) check (number > 0), tags text[], unique (hub_id, name));
        create index on many_%1$s (name);
        create index on many_%1$s using gin (tags);
        create index on many_%1$s (at desc) where number is not null;
        alter table many_%1$s add foreign key (other_id) references many_%1$s;
        create trigger touch before update on many_%1$s for each row execute function touch();
        alter table many_%1$s enable row level security;
        create policy own on many_%1$s using (number > 1);
        create statistics stats_%1$s on hub_id, name from many_%1$s;
        comment on table many_%1$s is 'Number %1$s';
        comment on column many_%1$s.name is 'The name';
        grant select on many_%1$s to public$sql$, i);
    end loop;
  end $do$`;

/** The code for a separate process that runs the compiled build and prints its peak memory. */
const memory = (url: string) => /* js */ `
  import createKnex from 'knex';
  import { reversibleDrop } from '${join(compiledBuild(), 'src/index.js')}';
  const knex = createKnex({ client: 'pg', connection: '${url}' });
  const { up, down } = reversibleDrop({ name: 'many_400', tables: ${JSON.stringify(namesOf(400))} });
  await knex.transaction(up);
  console.log(process.resourceUsage().maxRSS / 1024);
  await knex.transaction(down);
  await knex.destroy();`;

// Each table has nine relations, and `up` locks them twice: when it drops them, and when the rehearsal recreates them.
const bench = await openTuring({ max_locks_per_transaction: '1024' });
try {
  console.log(`${host()}, PostgreSQL ${bench.server.version}, fsync off\n\n${head}`);
  const perTable: Measured[] = [];
  for (const count of [50, 100, 200, 400]) {
    const names = namesOf(count);
    const { up, down } = transacting(bench.knex, migrationOf(count));
    const make = () => bench.knex.raw(tablesSql(count));
    const clear = () => bench.knex.raw(`drop table ${names.join(', ')}`);
    await make();
    const byHand = async () => {
      await bench.pgDump('-s', ...names.flatMap((name) => ['-t', name]));
      await bench.psql('-c', `drop table ${names.join(', ')}`);
    };
    const times = await measure(
      {
        name: 'up',
        run: up,
        after: down,
      },
      { name: 'pg_dump and psql', run: byHand, after: make },
    );
    console.log(row(`up of ${count} tables`, 'pg_dump -s -t, psql: DROP', times, 2));
    perTable.push({ ...times, ours: times.ours / count });
    console.log(
      await floorRow(`drop, replay and rollback of ${count} alone`, await dropAndReplay(bench.knex, names)),
    );
    if (count < 400) await clear();
  }
  const [first, last] = [perTable[0]?.ours ?? 0, perTable.at(-1)?.ours ?? 0];
  console.log(
    row('a table of 400', 'a table of 50', { ours: last, theirs: first, ratio: last / first }, 1.2),
  );
  const args = ['--input-type=module', '--eval', memory(bench.url)];
  const peaks: number[] = [];
  // The time of V8's garbage collection differs between processes.
  for (let turn = 0; turn < 5; turn++) {
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      cwd: join(import.meta.dirname, '..'),
    });
    peaks.push(Number(stdout.trim()));
  }
  const peak = median(peaks);
  console.log(
    singleRow('peak memory of up of 400 tables', `${peak.toFixed(0)} MiB`, '< 200 MiB', peak < 200),
  );
} finally {
  await bench.end();
}
