import type { Session } from '../../session/session.ts';
import { type Digests, readObjectDigests } from './fact-digests.ts';
import { earlierFacts } from './normal-rows.ts';

/**
 * Returns those of the differing objects whose recorded digest does not match the facts of any earlier version either.
 * An object that an earlier version recorded may be unchanged.
 */
export async function stillDiffering(
  session: Session,
  recorded: Digests,
  differing: readonly string[],
): Promise<string[]> {
  let remaining = [...differing];
  for (const version of earlierFacts) {
    if (remaining.length === 0) break;
    const digests = await readObjectDigests(session, version);
    remaining = remaining.filter((identity) => recorded[identity] !== digests[identity]);
  }
  return remaining;
}
