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
  const [gone, come] = withoutEqual(before, after);
  const left = group(gone);
  const right = group(come);
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

/** Takes out the rows that stand on both sides, so that a difference names the row that differs. */
function withoutEqual(before: readonly Fact[], after: readonly Fact[]): [Fact[], Fact[]] {
  const rest = new Map<string, Fact[]>();
  for (const fact of after) {
    const text = canonical(fact);
    const same = rest.get(text);
    if (same === undefined) rest.set(text, [fact]);
    else same.push(fact);
  }
  const gone = before.filter((fact) => rest.get(canonical(fact))?.pop() === undefined);
  return [gone, [...rest.values()].flat()];
}

/** The text of a row, whatever order its columns came in; made once, since it is asked for again and again. */
export function canonical(fact: Fact): string {
  const known = texts.get(fact);
  if (known !== undefined) return known;
  const columns = Object.entries(fact.columns).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify([fact.catalog, fact.identity, columns]);
  texts.set(fact, text);
  return text;
}

const texts = new WeakMap<Fact, string>();
