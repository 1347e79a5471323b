import { compareRows } from '../archive/kept-rows.ts';
import { withMoves } from '../archive/move-tables.ts';
import { type Accepted, acceptDifferences } from '../capture/accept-differences.ts';
import type { Statement } from '../capture/capture.ts';
import { Comparison, compareFacts, type Difference } from '../capture/compare.ts';
import type { Closure, Survivor } from '../catalog/closure.ts';
import { describeEventTriggers } from '../catalog/event-triggers.ts';
import { type Fact, type Facts, readSurvivorFacts, takeOwnFacts } from '../catalog/facts/facts.ts';
import { findRestored, replay } from '../down/replay.ts';
import type { Table } from '../options/table.ts';
import type { Session } from '../session/session.ts';
import type { Archived } from './archive-closure.ts';
import { withoutValidation } from './unvalidated.ts';

/**
 * Restores the dropped objects in a savepoint, compares facts and rows, and rolls back. Rows are restored too, so that
 * keys, checks and functions are tested with them.
 *
 * @param accepted digests of differences that are accepted
 * @returns the accepted differences; null where nothing differs
 * @throws UndropError `not-reproducible` where a statement fails, `rehearsal-differs` where a fact or a row differs
 */
export async function rehearse(
  session: Session,
  tables: readonly Table[],
  capture: Archived['capture'],
  accepted: readonly string[],
): Promise<Accepted | null> {
  return session.rehearse(async () => {
    const { statements, facts } = await planReplay(session, capture);
    await replay(session, statements, 'not-reproducible');
    const closure = await findRestored(
      session,
      tables.map(({ sql }) => sql),
    );
    const found = await session.together([
      compareOwnFacts(session, closure, facts),
      survivorChanges(session, closure.survivors, capture.facts),
    ]);
    const differences = [...found.flat(), ...(await compareRows(session, capture.rows))];
    const triggers = differences.length === 0 ? '' : await describeEventTriggers(session);
    return acceptDifferences(differences, accepted, {
      code: 'rehearsal-differs',
      message: 'The restore would not recreate the dropped objects as they were.',
      next:
        triggers === ''
          ? 'Nothing was changed. Remove these tables from the migration, or report the difference.'
          : `Nothing was changed. Look for event triggers that alter objects, or remove these tables from the migration. ${triggers}`,
      rows: 'refuse',
    });
  });
}

/**
 * The statements to rehearse, and the facts that are expected afterwards. Foreign keys are not validated where the rows are
 * in moved tables, which are not read, or were rehearsed before.
 */
async function planReplay(
  session: Session,
  { statements, moved, rowsRehearsed, facts: { own } }: Archived['capture'],
): Promise<{ statements: readonly Statement[]; facts: readonly Fact[] }> {
  if (moved.length === 0 && rowsRehearsed !== true) return { statements, facts: own };
  return withoutValidation(await withMoves(session, statements, moved), own);
}

async function compareOwnFacts(
  session: Session,
  closure: Closure,
  before: readonly Fact[],
): Promise<Difference[]> {
  const comparison = new Comparison(before);
  await takeOwnFacts(session, closure, (facts) => comparison.take(facts));
  return comparison.differences();
}

/** What the drop has changed in the survivors, such as a column default that was removed. Mostly empty. */
export async function survivorChanges(
  session: Session,
  survivors: readonly Survivor[],
  facts: Facts,
): Promise<Difference[]> {
  return compareFacts(facts.survivors, await readSurvivorFacts(session, survivors));
}
