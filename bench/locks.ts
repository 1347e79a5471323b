import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { legacyTables } from '../seeds/turing/names.ts';
import { reversibleDrop } from '../src/index.ts';
import { openTuring, transacting } from './database.ts';
import { head, host, median, row, warmUp } from './measure.ts';

/*
 * How long the survivors of migration 044, the tables that its six tables reference, are locked exclusively: by `up` on a
 * warm connection, compared with six DROPs in one transaction of psql. A second session polls pg_locks continuously.
 */

const runs = 9;
const bench = await openTuring();
const migration = reversibleDrop({ name: '044', tables: legacyTables });
const { up, down } = transacting(bench.knex, migration);
const drops = legacyTables.map((table) => `drop table ${table}`).join('; ');
const folder = mkdtempSync(join(tmpdir(), 'undrop-bench-'));
const file = join(folder, 'six.sql');
const observer = await bench.server.client(new URL(bench.url).pathname.slice(1));

const locksSql = /* sql */ `
  select exists (
    select from pg_catalog.pg_locks as l
    where l.relation = any (array['public.postings', 'public.profiles']::regclass[])
      and l.mode = 'AccessExclusiveLock' and l.granted) as locked`;

/** Returns the milliseconds from the last poll without the locks to the next poll without them. */
async function lockedFor(work: () => Promise<unknown>): Promise<number> {
  const working = { on: true };
  const done = work().finally(() => {
    working.on = false;
  });
  let before = performance.now();
  let since: number | undefined;
  let total = 0;
  for (;;) {
    const now = performance.now();
    const { rows } = await observer.query(locksSql);
    if (rows[0].locked) since ??= before;
    else {
      if (since !== undefined) total += now - since;
      since = undefined;
      before = now;
      if (!working.on) break;
    }
    await sleep(0);
  }
  await done;
  return total;
}

try {
  const times: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
  await warmUp(up, down);
  for (let turn = 0; turn <= runs; turn++) {
    writeFileSync(file, await bench.pgDump('-s', ...legacyTables.flatMap((table) => ['-t', table])));
    const ours = await lockedFor(up);
    await down();
    const theirs = await lockedFor(() => bench.psql('-c', `begin; ${drops}; commit`));
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
