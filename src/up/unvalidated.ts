import type { Statement } from '../capture/capture.ts';
import type { Fact } from '../catalog/facts/facts.ts';

/**
 * Returns statements that add foreign keys without checking their rows, and the facts that result. A foreign key that is
 * a part of another one, or has parts, is left as it is: it can only be attached to a valid one, and before 18 a partitioned
 * table cannot have one that is not valid. https://www.postgresql.org/docs/current/sql-altertable.html
 */
export function withoutValidation(
  statements: readonly Statement[],
  facts: readonly Fact[],
): { statements: Statement[]; facts: Fact[] } {
  const simple = new Set(
    keysIn(facts)
      .filter(({ isPart, columns }) => columns.convalidated === 'true' && !isPart)
      .map(({ identity }) => identity),
  );
  const added = new Set<string>();
  const changed = statements.map((statement) => {
    const identity = `${statement.kind} ${statement.identity}`;
    if (!simple.has(identity) || !adds.test(statement.sql)) return statement;
    added.add(identity);
    return { ...statement, sql: `${statement.sql} not valid` };
  });
  return {
    statements: changed,
    facts: facts.map((fact) =>
      fact.catalog === 'pg_constraint' && added.has(fact.identity)
        ? { ...fact, columns: { ...fact.columns, convalidated: 'false' } }
        : fact,
    ),
  };
}

/** Whether foreign keys are parts of others, or have parts, which have to be added with their rows. */
export function hasPartsOfKeys(facts: readonly Fact[]): boolean {
  return keysIn(facts).some(({ isPart }) => isPart);
}

function keysIn(facts: readonly Fact[]): (Fact & { readonly isPart: boolean })[] {
  const keys = facts.filter(({ catalog, columns }) => catalog === 'pg_constraint' && columns.contype === 'f');
  const parents = new Set(keys.map(({ columns }) => columns.conparentid));
  return keys.map((key) => ({
    ...key,
    isPart: key.columns.conparentid !== null || parents.has(key.identity),
  }));
}

const adds = /^alter table only .* add constraint /s;
