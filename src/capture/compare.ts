import type { Fact } from '../catalog/facts/facts.ts';
import { groupBy } from '../text/group-by.ts';

/** A column of a catalog row whose value has changed. A row that was removed or added is one difference, column `*`. */
export interface Difference {
  readonly object: string;
  readonly catalog: string;
  readonly column: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** Compares two sets of facts. Several rows of one object in one catalog are compared as a set. */
export function compareFacts(before: readonly Fact[], after: readonly Fact[]): Difference[] {
  const comparison = new Comparison(before);
  comparison.take(after);
  return comparison.differences();
}

/** Compares the facts of a first reading with those of a second one, which may arrive in parts and in any order. */
export class Comparison {
  readonly #unmatched: Map<string, Fact[]>;
  readonly #added: Fact[] = [];

  constructor(before: readonly Fact[]) {
    this.#unmatched = groupBy(before, keyOf);
  }

  /** Removes an equal fact for each one given, so that a difference names the row that differs. */
  take(after: readonly Fact[]): void {
    for (const fact of after) {
      const key = keyOf(fact);
      const rows = this.#unmatched.get(key) ?? [];
      const place = rows.findIndex((row) => isEqual(row, fact));
      if (place < 0) this.#added.push(fact);
      else if (rows.length > 1) rows.splice(place, 1);
      else this.#unmatched.delete(key);
    }
  }

  /** Returns the differences, after all facts were taken. */
  differences(): Difference[] {
    const added = groupBy(this.#added, keyOf);
    const keys = [...new Set([...this.#unmatched.keys(), ...added.keys()])].sort();
    return keys.flatMap((key) => compareRows(this.#unmatched.get(key) ?? [], added.get(key) ?? []));
  }
}

/** Returns the differences as text, one line each. */
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
  return value.length > 300 ? `${value.slice(0, 300)}…` : value;
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

function compareRows(before: readonly Fact[], after: readonly Fact[]): Difference[] {
  const differences: Difference[] = [];
  for (let index = 0; index < Math.max(before.length, after.length); index++) {
    differences.push(...compareRow(before[index], after[index]));
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
