import type { Archived } from './archive-closure.ts';
import type { Closure, Host } from './catalog/closure.ts';
import { type Fact, type Facts, readHostFacts, takeOwnFacts } from './catalog/facts.ts';
import { Comparison, compareFacts, type Difference, describeDifferences } from './compare.ts';
import { UndropError } from './errors.ts';
import type { Table } from './gate.ts';
import { findRestored, replay } from './restore.ts';
import { compareRows } from './rows.ts';
import type { Session } from './session.ts';

/**
 * Restores what has just been dropped, rows included, compares facts and rows, and takes it back: it ends dropped, as
 * it began. Without the rows nothing would be known of the keys, checks and functions that they have to get past.
 *
 * @throws UndropError `not-reproducible` where a statement fails, `rehearsal-differs` where a fact differs
 */
export async function rehearse(
  session: Session,
  tables: readonly Table[],
  capture: Archived['capture'],
): Promise<void> {
  await session.rehearse(async () => {
    await replay(session, capture.statements, 'not-reproducible');
    const closure = await findRestored(
      session,
      tables.map(({ sql }) => sql),
    );
    const found = await session.together([
      compareOwnFacts(session, closure, capture.facts.own),
      hostChanges(session, closure.hosts, capture.facts),
    ]);
    const differences = [...found.flat(), ...(await compareRows(session, capture.rows))];
    if (differences.length === 0) return;
    throw new UndropError('rehearsal-differs', {
      subject: [...new Set(differences.map(({ object }) => object))].join(', '),
      message: 'What was dropped would not come back as it was.',
      reason: describeDifferences(differences),
      next: 'Nothing was changed. Leave these tables out, or report the difference.',
    });
  });
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

/** What the drop has changed of the hosts: a table that lost a default, say. Nothing, mostly. */
export async function hostChanges(
  session: Session,
  hosts: readonly Host[],
  facts: Facts,
): Promise<Difference[]> {
  return compareFacts(facts.hosts, await readHostFacts(session, hosts));
}
