import { createHash } from 'node:crypto';
import { type Fact, sequenceState } from './catalog/facts.ts';
import { canonical } from './compare.ts';

/** The first 12 hexadecimal digits of the SHA-256 over facts; the state of sequences does not count. */
export function fingerprintOf(facts: readonly Fact[]): string {
  const lines = facts.filter((fact) => fact.catalog !== sequenceState).map(canonical);
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex').slice(0, 12);
}
