import { availableParallelism } from 'node:os';
import type { Settings } from './knex/settings.ts';
import { type Copies, type Copy, openCopies } from './roundtrip/copies.ts';
import { type Dump, findDump } from './roundtrip/dump.ts';
import { type Choice, listTables } from './roundtrip/tables.ts';
import { type Result, tryTable } from './roundtrip/try-table.ts';
import { compareWitnesses, readWitness, type Witness } from './roundtrip/witness.ts';
import { say } from './say.ts';
import { inSession } from './session.ts';

export interface Roundtrip {
  readonly database: string;
  readonly results: readonly Result[];
  /** Comparisons of the whole database, and how many found the same statements in another order. */
  readonly comparisons: number;
  readonly reordered: number;
  /** Why pg_dump was no witness; null where it was. */
  readonly withoutDump: string | null;
  readonly seconds: number;
}

/** How many tables go between two comparisons of the whole database, unless it takes long. */
const window = 25;

/**
 * Drops every table of a database and brings it back, one after the other, on copies of it. `down` compares the facts
 * of what it brought back; every so often the whole database is held against what it was, by facts, rows and pg_dump.
 *
 * @throws UndropError `in-use`, `insufficient-privilege`, `no-connection` where the database cannot be copied
 */
export async function roundtrip(source: Settings, choice: Choice = {}): Promise<Roundtrip> {
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  const copies = await openCopies(source);
  try {
    const first = await copies.make();
    const { tables, major } = await inSession(first.knex, async (session) => ({
      tables: await listTables(session, choice),
      major: session.server.major,
    }));
    const dump = await findDump(major);
    const withoutDump = typeof dump === 'string' ? dump : null;
    if (withoutDump !== null) say(`roundtrip: facts and rows alone, without pg_dump: ${withoutDump}`);
    const law = await layDown(first, typeof dump === 'string' ? undefined : dump);

    const workers = Math.max(1, Math.min(4, availableParallelism(), Math.ceil(tables.length / 4)));
    const size = Math.min(
      Math.ceil(tables.length / workers),
      Math.ceil(window * Math.max(1, law.seconds / 3)),
    );
    const results: Result[] = [];
    const waiting = [...tables];
    const work = async (given?: Copy): Promise<void> => {
      const trial = new Trial(copies, given ?? (await copies.make()), law);
      for (let taken = waiting.splice(0, size); taken.length > 0; taken = waiting.splice(0, size)) {
        results.push(...(await trial.settle(taken)));
        say(
          `roundtrip: ${results.length} of ${tables.length} after ${seconds().toFixed(0)} s, ${countOutcomes(results)}`,
        );
      }
    };
    await Promise.all(Array.from({ length: workers }, (_, index) => work(index === 0 ? first : undefined)));
    results.sort((a, b) => tables.indexOf(a.table) - tables.indexOf(b.table));
    const { comparisons, reordered } = law;
    return { database: source.database, results, comparisons, reordered, withoutDump, seconds: seconds() };
  } finally {
    await copies.end();
  }
}

/** `exact 21 refused 1 different 0 failed 0`. */
export function countOutcomes(results: readonly Result[]): string {
  return (['exact', 'refused', 'different', 'failed'] as const)
    .map((outcome) => `${outcome} ${results.filter((result) => result.outcome === outcome).length}`)
    .join(' ');
}

/** What every copy must be again after each table. */
interface Law {
  readonly before: Witness;
  readonly dump: Dump | undefined;
  readonly seconds: number;
  comparisons: number;
  reordered: number;
}

async function layDown(copy: Copy, dump: Dump | undefined): Promise<Law> {
  const start = performance.now();
  const before = await readWitness(copy, dump);
  return { before, dump, seconds: (performance.now() - start) / 1000, comparisons: 0, reordered: 0 };
}

/** One copy after the other, and the tables tried on them. */
class Trial {
  readonly #copies: Copies;
  readonly #law: Law;
  #copy: Copy;

  constructor(copies: Copies, copy: Copy, law: Law) {
    this.#copies = copies;
    this.#copy = copy;
    this.#law = law;
  }

  /** Begins and ends with a copy as it should be. */
  async settle(tables: readonly string[]): Promise<Result[]> {
    if (tables.length === 0) return [];
    const results: Result[] = [];
    for (const [index, table] of tables.entries()) {
      const result = await tryTable(this.#copy, table);
      if (result.outcome === 'exact' || result.outcome === 'refused') {
        results.push(result);
        continue;
      }
      await this.#startAfresh();
      // What was tried before it has not been compared yet, and went with the copy.
      return [
        ...(await this.settle(tables.slice(0, index))),
        result,
        ...(await this.settle(tables.slice(index + 1))),
      ];
    }
    const reason = await this.#compare();
    if (reason === undefined) return results;
    await this.#startAfresh();
    return this.#bisect(tables, results, reason);
  }

  async #bisect(tables: readonly string[], results: readonly Result[], reason: string): Promise<Result[]> {
    const different = (result: Result | undefined): Result => ({
      table: result?.table ?? '',
      outcome: 'different',
      code: 'witness',
      reason,
    });
    if (tables.length === 1) return [different(results[0])];
    const half = Math.ceil(tables.length / 2);
    const halves = [
      ...(await this.settle(tables.slice(0, half))),
      ...(await this.settle(tables.slice(half))),
    ];
    if (halves.some(({ outcome }) => outcome === 'different')) return halves;
    // Only all of them together make the difference: it stands beside the last of them.
    return [...halves.slice(0, -1), different(halves.at(-1))];
  }

  /** How the copy differs from what it was; undefined where it does not. */
  async #compare(): Promise<string | undefined> {
    const { differences, reordered } = compareWitnesses(
      this.#law.before,
      await readWitness(this.#copy, this.#law.dump),
    );
    this.#law.comparisons += 1;
    if (reordered) this.#law.reordered += 1;
    return differences.length === 0 ? undefined : differences.join('\n');
  }

  async #startAfresh(): Promise<void> {
    await this.#copy.drop();
    this.#copy = await this.#copies.make();
  }
}
