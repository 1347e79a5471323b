import { createHash } from 'node:crypto';
import { type ErrorCode, UndropError } from '../errors.ts';
import { type Difference, describeDifferences } from './compare.ts';

/** Differences that somebody has looked at, and let through. */
export interface Accepted {
  readonly digest: string;
  readonly differences: readonly Difference[];
}

/** The refusal of differences that are not accepted. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly next: string;
  /** Whether rows may differ: what is dropped with other rows than were kept is lost. */
  readonly rows: 'refuse' | 'accept';
}

/**
 * Lets differences through that are accepted, all of them by one digest.
 *
 * @param accepted digests, as earlier errors printed them
 * @returns null where there are no differences
 * @throws UndropError the refusal, with every difference and the digest that accepts them
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
    `Where each of these differences is right as it is, UNDROP_ACCEPT_DIFFERENCES=${digest} accepts exactly them, ` +
    'for one run; see docs/differences.md.'
  );
}

/** The first 12 hexadecimal digits of the SHA-256 over objects, catalogs and columns. Values do not count. */
function digestOf(differences: readonly Difference[]): string {
  const places = differences.map(({ object, catalog, column }) => JSON.stringify([object, catalog, column]));
  return createHash('sha256')
    .update([...new Set(places)].sort().join('\n'))
    .digest('hex')
    .slice(0, 12);
}
