import { availableParallelism } from 'node:os';
import type { Settings } from '../knex/settings.ts';
import { inSession } from '../session/session.ts';
import { say } from '../text/log.ts';
import { duration } from '../text/units.ts';
import { unlessAborted } from '../text/unless-aborted.ts';
import { type Copies, type Copy, openCopies } from './copies.ts';
import { findDump } from './dump.ts';
import { type Choice, listTables } from './tables.ts';
import { readBaseline, Trial } from './trial.ts';
import { outcomes, type Result } from './try-table.ts';

export interface Roundtrip {
  readonly database: string;
  readonly results: readonly Result[];
  /** The number of comparisons of the whole database, and of those with the same statements in another order. */
  readonly comparisons: number;
  readonly reordered: number;
  /** The reason why pg_dump was not used; null if it was. */
  readonly withoutDump: string | null;
  readonly seconds: number;
}

/** The number of tables between two comparisons of the whole database. Larger if a comparison takes long. */
const window = 25;

/**
 * Drops and restores every table of a database, one after the other, on copies of it. `down` compares the facts of each
 * table. After a number of tables the whole database is compared with its original state, by facts, rows and pg_dump.
 *
 * @param signal stops the roundtrip; the copies are dropped
 * @throws UndropError `in-use`, `insufficient-privilege`, `no-connection` if the database cannot be copied
 */
export async function roundtrip(
  source: Settings,
  choice: Choice = {},
  signal?: AbortSignal,
): Promise<Roundtrip> {
  const copies = await openCopies(source);
  try {
    return await unlessAborted(signal, onCopies(copies, source, choice));
  } finally {
    await copies.end();
  }
}

async function onCopies(copies: Copies, source: Settings, choice: Choice): Promise<Roundtrip> {
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  const first = await copies.make();
  const { tables, major } = await inSession(first.knex, async (session) => ({
    tables: await listTables(session, choice),
    major: session.server.major,
  }));
  const dump = await findDump(major);
  const withoutDump = typeof dump === 'string' ? dump : null;
  if (withoutDump !== null) say(`roundtrip: compares only facts and rows, without pg_dump: ${withoutDump}`);
  const baseline = await readBaseline(first, typeof dump === 'string' ? undefined : dump);

  const workers = Math.max(1, Math.min(4, availableParallelism(), Math.ceil(tables.length / 4)));
  const adapted = Math.ceil(window * Math.max(1, baseline.seconds / 3));
  const size = Math.min(Math.ceil(tables.length / workers), adapted);
  const results: Result[] = [];
  const waiting = [...tables];
  const work = async (copy: Copy): Promise<void> => {
    const trial = new Trial(copies, copy, baseline, choice.rows ?? 'copy');
    for (let taken = waiting.splice(0, size); taken.length > 0; taken = waiting.splice(0, size)) {
      results.push(...(await trial.settle(taken)));
      const progress = `${results.length} of ${tables.length} after ${duration(Math.round(seconds()))}`;
      say(`roundtrip: ${progress}, ${describeCounts(results)}`);
    }
  };
  const others = Array.from({ length: workers - 1 }, async () => work(await copies.make()));
  await Promise.all([work(first), ...others]);
  results.sort((a, b) => tables.indexOf(a.table) - tables.indexOf(b.table));
  const { comparisons, reordered } = baseline;
  return { database: source.database, results, comparisons, reordered, withoutDump, seconds: seconds() };
}

/** Formats the number of results by outcome: `exact 21 refused 1 different 0 failed 0`. */
export function describeCounts(results: readonly Result[]): string {
  return outcomes
    .map((outcome) => `${outcome} ${results.filter((result) => result.outcome === outcome).length}`)
    .join(' ');
}
