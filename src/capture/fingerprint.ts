import { createHash } from 'node:crypto';
import type { Fact } from '../catalog/facts/facts.ts';
import { sequenceState } from '../catalog/facts/sequence-facts.ts';
import { groupBy } from '../text/group-by.ts';

/** Returns the first 12 hexadecimal digits of the SHA-256 over facts. The state of sequences is not included. */
export function fingerprintOf(facts: readonly Fact[]): string {
  const objects = groupBy(
    facts.filter((fact) => fact.catalog !== sequenceState),
    beginning,
  );
  const hash = createHash('sha256');
  let separator = '';
  // Facts are sorted by their text. The texts of one object share a prefix, so they are sorted object by object: the
  // texts of all objects at once would need too much memory.
  for (const object of [...objects.keys()].sort()) {
    for (const line of (objects.get(object) ?? []).map(canonical).sort()) {
      hash.update(separator + line);
      separator = '\n';
    }
  }
  return hash.digest('hex').slice(0, 12);
}

/** Returns the prefix that the canonical texts of an object share. No text of another object begins with it. */
function beginning({ catalog, identity }: Fact): string {
  return JSON.stringify([catalog, identity]).slice(0, -1);
}

/** Returns the text of a row, independent of the order of its columns. */
export function canonical(fact: Fact): string {
  const columns = Object.entries(fact.columns).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([fact.catalog, fact.identity, columns]);
}
