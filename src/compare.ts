import type { Fact } from './catalog/facts.ts';

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
  const left = group(before);
  const right = group(after);
  const keys = [...new Set([...left.keys(), ...right.keys()])].sort();
  return keys.flatMap((key) => compareRows(left.get(key) ?? [], right.get(key) ?? []));
}

/** The differences as a text of one line each, for people. */
export function describeDifferences(differences: readonly Difference[], most = 20): string {
  const lines = differences
    .slice(0, most)
    .map(
      ({ object, catalog, column, before, after }) =>
        `${object}: ${catalog}.${column} was ${show(before)}, is ${show(after)}`,
    );
  const more = differences.length - lines.length;
  return [...lines, ...(more > 0 ? [`and ${more} more`] : [])].join('\n');
}

function show(value: string | null): string {
  if (value === null) return 'nothing';
  return value.length > 200 ? `${value.slice(0, 200)}…` : value;
}

function group(facts: readonly Fact[]): Map<string, Fact[]> {
  const groups = new Map<string, Fact[]>();
  for (const fact of facts) {
    const key = JSON.stringify([fact.catalog, fact.identity]);
    const rows = groups.get(key);
    if (rows === undefined) groups.set(key, [fact]);
    else rows.push(fact);
  }
  return groups;
}

function compareRows(before: readonly Fact[], after: readonly Fact[]): Difference[] {
  const [gone, come] = withoutEqual(before, after);
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

/** Takes out the rows that stand on both sides, so that a difference names the row that differs. */
function withoutEqual(before: readonly Fact[], after: readonly Fact[]): [Fact[], Fact[]] {
  const rest = new Map<string, Fact[]>();
  for (const fact of after) rest.set(canonical(fact), [...(rest.get(canonical(fact)) ?? []), fact]);
  const gone = before.filter((fact) => rest.get(canonical(fact))?.pop() === undefined);
  return [gone, [...rest.values()].flat()];
}

/** The text of a row, whatever order its columns came in. */
export function canonical({ catalog, identity, columns }: Fact): string {
  return JSON.stringify([catalog, identity, Object.entries(columns).sort(([a], [b]) => (a < b ? -1 : 1))]);
}
