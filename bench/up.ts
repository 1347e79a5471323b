import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { legacyTables } from '../seeds/turing/names.ts';
import { reversibleDrop } from '../src/index.ts';
import { addTables, dropAndReplay, openTuring, serverTime, transacting } from './database.ts';
import { floorRow, head, host, measure, row, warmUp } from './measure.ts';

/*
 * `up` and `down` of the six tables of migration 044 on a warm connection, compared with the same by hand: pg_dump of the
 * six tables and six DROPs, then psql with that file. In a database of 74 tables, and of 10,000.
 */

const turns = 25;
const bench = await openTuring();
const folder = mkdtempSync(join(tmpdir(), 'undrop-bench-'));
const file = join(folder, 'six.sql');
const migration = reversibleDrop({ name: '044', tables: legacyTables });
const { up, down } = transacting(bench.knex, migration);
const dump = async () =>
  writeFileSync(file, await bench.pgDump('-s', ...legacyTables.flatMap((table) => ['-t', table])));
const drops = legacyTables.map((table) => `drop table ${table}`).join(';\n');
const drop = () => bench.psql('-1', '-c', drops);
const replay = () => bench.psql('-1', '-f', file);

try {
  console.log(`${host()}, PostgreSQL ${bench.server.version}, fsync off\n\n${head}`);
  const times: number[] = [];
  // Both sizes are measured in a warm process.
  await warmUp(up, down);
  for (const tables of [74, 10_000]) {
    await addTables(bench, tables);
    const byHand = async () => {
      await dump();
      await drop();
    };
    const upTimes = await measure(
      { name: 'up', run: up, after: down },
      { name: 'pg_dump and psql', run: byHand, after: replay },
      turns,
    );
    console.log(
      row(
        `up of six tables among ${tables}`,
        'pg_dump -s -t, psql: six DROPs',
        upTimes,
        tables === 74 ? 0.8 : 0.07,
      ),
    );
    times.push(upTimes.ours);
    const server = await serverTime(bench.knex, up, down);
    console.log(
      `| processor time of it in the server, among ${tables} | | ${server.toFixed(1)} ms | | | | |`,
    );
    const floor = await dropAndReplay(bench.knex, legacyTables);
    console.log(await floorRow(`drop, replay and rollback alone, among ${tables}`, floor));
    await dump();
    const downTimes = await measure(
      { name: 'down', before: up, run: down },
      { name: 'psql -f', before: drop, run: replay },
      turns,
    );
    console.log(row(`down of six tables among ${tables}`, 'psql -f of the same DDL', downTimes, 1.5));
  }
  const [small = 0, large = 0] = times;
  console.log(
    row('up among 10,000', 'up among 74', { ours: large, theirs: small, ratio: large / small }, 1.15),
  );
} finally {
  await bench.end();
  rmSync(folder, { recursive: true });
}
