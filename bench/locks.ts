import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { legacyTables } from '../seeds/turing/names.ts';
import { reversibleDrop } from '../src/index.ts';
import { openTuring, transacting } from './database.ts';
import { lockedFor } from './locked-for.ts';
import { head, host, median, row, warmUp } from './measure.ts';

/*
 * How long the survivors of migration 044, the tables that its six tables reference, are locked exclusively: by `up` on a
 * warm connection, compared with six DROPs in one transaction of psql. A second session polls pg_locks continuously.
 */

const runs = 9;
const survivors = ['public.postings', 'public.profiles'];
const bench = await openTuring();
const migration = reversibleDrop({ name: '044', tables: legacyTables });
const { up, down } = transacting(bench.knex, migration);
const drops = legacyTables.map((table) => `drop table ${table}`).join('; ');
const folder = mkdtempSync(join(tmpdir(), 'undrop-bench-'));
const file = join(folder, 'six.sql');
const observer = await bench.server.client(new URL(bench.url).pathname.slice(1));

try {
  const times: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
  await warmUp(up, down);
  for (let turn = 0; turn <= runs; turn++) {
    writeFileSync(file, await bench.pgDump('-s', ...legacyTables.flatMap((table) => ['-t', table])));
    const ours = await lockedFor(observer, survivors, up);
    await down();
    const theirs = await lockedFor(observer, survivors, () => bench.psql('-c', `begin; ${drops}; commit`));
    await bench.psql('-1', '-f', file);
    if (turn === 0) continue;
    times.ours.push(ours);
    times.theirs.push(theirs);
  }
  const [ours, theirs] = [median(times.ours), median(times.theirs)];
  console.log(`${host()}, PostgreSQL ${bench.server.version}, fsync off\n\n${head}`);
  console.log(
    row(
      'survivors locked by up of six tables',
      'psql: begin, six DROPs, commit',
      { ours, theirs, ratio: ours / theirs },
      8,
    ),
  );
} finally {
  await observer.end();
  await bench.end();
  rmSync(folder, { recursive: true });
}
