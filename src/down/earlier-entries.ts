import type { Difference } from '../capture/compare.ts';
import type { Closure } from '../catalog/closure.ts';
import type { Fact } from '../catalog/facts/facts.ts';
import { isResolved } from '../catalog/facts/normal-rows.ts';
import { readUnprinted } from '../catalog/search-paths.ts';
import type { Session } from '../session/session.ts';

/** Whether the facts hold the operators and functions that expressions resolve to. Entries of version 0.1 do not. */
export function haveResolved(facts: readonly Fact[]): boolean {
  return facts.some(({ columns }) => Object.keys(columns).some(isResolved));
}

/** A fact in the form of version 0.1. */
export function withoutResolved({ columns, ...fact }: Fact): Fact {
  return {
    ...fact,
    columns: Object.fromEntries(Object.entries(columns).filter(([name]) => !isResolved(name))),
  };
}

/**
 * For an entry of version 0.1, which holds the text of expressions only: the restored expressions whose text does not
 * determine their operators. Each is a difference that a user has to check.
 *
 * @param facts of the restored objects
 */
export async function findUnresolved(
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
        .map(([column, after]) => ({ object: identity, catalog, column, before: notRecorded, after })),
    );
}

const notRecorded = 'not recorded by the version of knex-undrop that dropped it';
