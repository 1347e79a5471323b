import type { Copies, Copy } from './copies.ts';
import type { Dump } from './dump.ts';
import { type Result, tryTable } from './try-table.ts';
import { compareWitnesses, readWitness, type Witness } from './witness.ts';

/** The original state of the copies, and statistics of the comparisons with it. */
export interface Baseline {
  readonly before: Witness;
  readonly dump: Dump | undefined;
  readonly seconds: number;
  comparisons: number;
  reordered: number;
}

/** Reads the original state from a copy, and how long that takes. */
export async function readBaseline(copy: Copy, dump: Dump | undefined): Promise<Baseline> {
  const start = performance.now();
  const before = await readWitness(copy, dump);
  return { before, dump, seconds: (performance.now() - start) / 1000, comparisons: 0, reordered: 0 };
}

/** Tests tables on a copy. Replaces the copy when it is no longer in its original state. */
export class Trial {
  readonly #copies: Copies;
  readonly #law: Baseline;
  readonly #rows: 'copy' | 'move';
  #copy: Copy;

  constructor(copies: Copies, copy: Copy, baseline: Baseline, rows: 'copy' | 'move') {
    this.#copies = copies;
    this.#copy = copy;
    this.#law = baseline;
    this.#rows = rows;
  }

  /** Tests tables and compares the whole copy. Before and after, the copy is in its original state. */
  async settle(tables: readonly string[]): Promise<Result[]> {
    if (tables.length === 0) return [];
    const results: Result[] = [];
    for (const [index, table] of tables.entries()) {
      const result = await tryTable(this.#copy, table, this.#rows);
      if (result.outcome === 'exact' || result.outcome === 'refused') {
        results.push(result);
        continue;
      }
      await this.#startAfresh();
      // The tables before this one have not been compared yet, so they are tested again on the new copy.
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
    // Only all of the tables together make a difference. It is reported for the last one.
    return [...halves.slice(0, -1), different(halves.at(-1))];
  }

  /** Compares the copy with its original state. Returns the differences, or undefined if there are none. */
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
