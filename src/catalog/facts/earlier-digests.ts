import type { Session } from '../../session/session.ts';
import { type Digests, readObjectDigests } from './fact-digests.ts';
import { earlierFacts } from './normal-rows.ts';

/**
 * Of objects whose digests differ, those that differ from the digests of every earlier version too. One that was recorded
 * by an earlier version may be the same.
 */
export async function stillDiffering(
  session: Session,
  recorded: Digests,
  differing: readonly string[],
): Promise<string[]> {
  let left = [...differing];
  for (const version of earlierFacts) {
    if (left.length === 0) break;
    const digests = await readObjectDigests(session, version);
    left = left.filter((identity) => recorded[identity] !== digests[identity]);
  }
  return left;
}
