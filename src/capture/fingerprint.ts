import { createHash } from 'node:crypto';
import { type Fact, sequenceState } from '../catalog/facts/facts.ts';
import { groupBy } from '../text/group-by.ts';

/** The first 12 hexadecimal digits of the SHA-256 over facts; the state of sequences does not count. */
export function fingerprintOf(facts: readonly Fact[]): string {
  const objects = groupBy(
    facts.filter((fact) => fact.catalog !== sequenceState),
    beginning,
  );
  const hash = createHash('sha256');
  let separator = '';
  // In the order of their texts, which all begin alike for one object; those of all at once would fill the memory.
  for (const object of [...objects.keys()].sort()) {
    for (const line of (objects.get(object) ?? []).map(canonical).sort()) {
      hash.update(separator + line);
      separator = '\n';
    }
  }
  return hash.digest('hex').slice(0, 12);
}

/** Of the canonical text. No other begins with it and goes on differently: in JSON, a text ends with its quote. */
function beginning({ catalog, identity }: Fact): string {
  return JSON.stringify([catalog, identity]).slice(0, -1);
}

/** The text of a row, whatever order its columns came in. */
export function canonical(fact: Fact): string {
  const columns = Object.entries(fact.columns).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([fact.catalog, fact.identity, columns]);
}
