import type { Fact } from './catalog/facts.ts';

/** The text of a row, whatever order its columns came in. */
export function canonical(fact: Fact): string {
  const columns = Object.entries(fact.columns).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([fact.catalog, fact.identity, columns]);
}

/** The facts by their keys, in the order in which these come. */
export function groupBy(facts: readonly Fact[], key: (fact: Fact) => string): Map<string, Fact[]> {
  const groups = new Map<string, Fact[]>();
  for (const fact of facts) {
    const name = key(fact);
    const rows = groups.get(name);
    if (rows === undefined) groups.set(name, [fact]);
    else rows.push(fact);
  }
  return groups;
}
