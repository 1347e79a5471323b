import { createHash } from 'node:crypto';
import { type Fact, sequenceState } from './catalog/facts.ts';
import { canonical } from './compare.ts';

/** The first 12 hexadecimal digits of the SHA-256 over facts; the state of sequences does not count. */
export function fingerprintOf(facts: readonly Fact[]): string {
  const lines = facts.filter((fact) => fact.catalog !== sequenceState).map(canonical);
  const hash = createHash('sha256');
  for (const [index, line] of lines.sort().entries()) hash.update(`${index === 0 ? '' : '\n'}${line}`);
  return hash.digest('hex').slice(0, 12);
}
