import type { Fact } from '../catalog/facts/facts.ts';
import { groupBy } from '../text/group-by.ts';

/** One column of one catalog row that is not what it was. A row that is gone or new differs as a whole. */
export interface Difference {
  readonly object: string;
  readonly catalog: string;
  readonly column: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** Compares two readings of facts. Several rows of one object in one catalog are compared as a set. */
export function compareFacts(before: readonly Fact[], after: readonly Fact[]): Difference[] {
  const comparison = new Comparison(before);
  comparison.take(after);
  return comparison.differences();
}

/** The facts of a first reading, with which those of a second one are compared as they come, in any order. */
export class Comparison {
  readonly #gone: Map<string, Fact[]>;
  readonly #come: Fact[] = [];

  constructor(before: readonly Fact[]) {
    this.#gone = groupBy(before, keyOf);
  }

  /** Each fact takes out one that is equal, so that a difference names the row that differs. */
  take(after: readonly Fact[]): void {
    for (const fact of after) {
      const key = keyOf(fact);
      const rows = this.#gone.get(key) ?? [];
      const place = rows.findIndex((row) => isEqual(row, fact));
      if (place < 0) this.#come.push(fact);
      else if (rows.length > 1) rows.splice(place, 1);
      else this.#gone.delete(key);
    }
  }

  /** Once all facts have come. */
  differences(): Difference[] {
    const come = groupBy(this.#come, keyOf);
    const keys = [...new Set([...this.#gone.keys(), ...come.keys()])].sort();
    return keys.flatMap((key) => compareRows(this.#gone.get(key) ?? [], come.get(key) ?? []));
  }
}

/** All differences as a text of one line each, for people. */
export function describeDifferences(differences: readonly Difference[]): string {
  return differences
    .map(
      ({ object, catalog, column, before, after }) =>
        `${object}: ${catalog}.${column} was ${show(before)}, is ${show(after)}`,
    )
    .join('\n');
}

function show(value: string | null): string {
  if (value === null) return 'nothing';
  return value.length > 200 ? `${value.slice(0, 200)}…` : value;
}

function keyOf({ catalog, identity }: Fact): string {
  return `${catalog}\n${identity}`;
}

function isEqual(a: Fact, b: Fact): boolean {
  const columns = Object.keys(a.columns);
  return (
    columns.length === Object.keys(b.columns).length &&
    columns.every((column) => a.columns[column] === b.columns[column])
  );
}

function compareRows(gone: readonly Fact[], come: readonly Fact[]): Difference[] {
  const differences: Difference[] = [];
  for (let index = 0; index < Math.max(gone.length, come.length); index++) {
    differences.push(...compareRow(gone[index], come[index]));
  }
  return differences;
}

function compareRow(before: Fact | undefined, after: Fact | undefined): Difference[] {
  const fact = before ?? after;
  if (fact === undefined) return [];
  const about = { object: fact.identity, catalog: fact.catalog };
  if (before === undefined || after === undefined) {
    const row = JSON.stringify(fact.columns);
    return [{ ...about, column: '*', before: before ? row : null, after: after ? row : null }];
  }
  return [...new Set([...Object.keys(before.columns), ...Object.keys(after.columns)])].flatMap((column) => {
    const was = before.columns[column] ?? null;
    const is = after.columns[column] ?? null;
    return was === is ? [] : [{ ...about, column, before: was, after: is }];
  });
}
