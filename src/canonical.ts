import type { Fact } from './catalog/facts.ts';

/** The text of a row, whatever order its columns came in. */
export function canonical(fact: Fact): string {
  const columns = Object.entries(fact.columns).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([fact.catalog, fact.identity, columns]);
}
