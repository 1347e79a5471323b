import type { Difference } from '../capture/compare.ts';
import type { Closure } from '../catalog/closure.ts';
import type { Fact } from '../catalog/facts/facts.ts';
import { isResolved } from '../catalog/facts/resolved.ts';
import { readUnprinted } from '../catalog/search-paths.ts';
import type { Session } from '../session/session.ts';

/** Whether the facts hold what expressions resolve to: version 0.1 wrote none of it. */
export function haveResolved(facts: readonly Fact[]): boolean {
  return facts.some(({ columns }) => Object.keys(columns).some(isResolved));
}

/** As version 0.1 wrote a fact. */
export function withoutResolved({ columns, ...fact }: Fact): Fact {
  return {
    ...fact,
    columns: Object.fromEntries(Object.entries(columns).filter(([name]) => !isResolved(name))),
  };
}

/**
 * Of an entry that holds no more than the text of expressions, those whose text does not tell which operators they had:
 * whether they came back with these, somebody has to look.
 *
 * @param facts what came back
 */
export async function findUntold(
  session: Session,
  closure: Closure,
  facts: readonly Fact[],
): Promise<Difference[]> {
  const objects = new Set((await readUnprinted(session, closure)).map(({ identity }) => identity));
  return facts
    .filter(({ identity }) => objects.has(identity))
    .flatMap(({ catalog, identity, columns }) =>
      Object.entries(columns)
        .filter(([name, value]) => isResolved(name) && value !== null)
        .map(([column, after]) => ({ object: identity, catalog, column, before: untold, after })),
    );
}

const untold = 'not written down by the version of knex-undrop that dropped it';
