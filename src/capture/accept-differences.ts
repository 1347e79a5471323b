import { createHash } from 'node:crypto';
import { type ErrorCode, UndropError } from '../errors.ts';
import { type Difference, describeDifferences } from './compare.ts';

/** Differences that the user has accepted, with the digest that accepts them. */
export interface Accepted {
  readonly digest: string;
  readonly differences: readonly Difference[];
}

/** How differences that are not accepted are refused. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly next: string;
  /** Whether differences in rows can be accepted. Rows that were dropped but not copied are lost. */
  readonly rows: 'refuse' | 'accept';
}

/**
 * Accepts differences if the digest over all of them is among `accepted`.
 *
 * @param accepted digests that earlier errors printed
 * @returns the accepted differences, or null if there are none
 * @throws UndropError the refusal, which lists every difference and prints the digest that accepts them
 */
export function acceptDifferences(
  differences: readonly Difference[],
  accepted: readonly string[],
  { code, message, next, rows }: Refusal,
): Accepted | null {
  if (differences.length === 0) return null;
  const digest = digestOf(differences);
  const acceptable = rows === 'accept' || differences.every(({ catalog }) => catalog !== 'rows');
  if (acceptable && accepted.includes(digest)) return { digest, differences };
  throw new UndropError(code, {
    subject: [...new Set(differences.map(({ object }) => object))].join(', '),
    message,
    reason: describeDifferences(differences),
    next: acceptable ? `${next}\n${howToAccept(digest)}` : next,
  });
}

function howToAccept(digest: string): string {
  return (
    `If each of these differences is acceptable, UNDROP_ACCEPT_DIFFERENCES=${digest} accepts exactly these, ` +
    'for one run; see docs/differences.md.'
  );
}

/**
 * Returns the first 12 hexadecimal digits of the SHA-256 over objects, catalogs and columns. Values are not included.
 */
function digestOf(differences: readonly Difference[]): string {
  const places = differences.map(({ object, catalog, column }) => JSON.stringify([object, catalog, column]));
  return createHash('sha256')
    .update([...new Set(places)].sort().join('\n'))
    .digest('hex')
    .slice(0, 12);
}
