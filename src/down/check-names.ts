import type { Fact } from '../catalog/facts/facts.ts';
import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';

/**
 * Checks that no relation has the name of one that a restore creates: of a table, an index or a sequence.
 *
 * @throws UndropError `name-taken`, listing every name that is taken
 */
export async function checkNames(session: Session, facts: readonly Fact[]): Promise<void> {
  const relations = facts
    .filter(({ catalog }) => catalog === 'pg_class')
    .map(({ identity, columns }) => ({ identity, schema: columns.relnamespace, name: columns.relname }));
  const taken = await session.read<{ identity: string }>(takenSql, [JSON.stringify(relations)]);
  if (taken.length === 0) return;
  const names = taken.map(({ identity }) => identity).join(', ');
  throw new UndropError('name-taken', {
    subject: names,
    message: `${names} already ${taken.length === 1 ? 'exists' : 'exist'}.`,
    reason: 'The restore creates objects of the same names, and overwrites nothing.',
    next: 'Rename or drop the existing objects, then run it again.',
  });
}

const takenSql = /* sql */ `
  select r.identity
  from pg_catalog.jsonb_to_recordset($1::jsonb) as r (identity text, schema text, name text)
  where exists (
    select from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.relname = r.name and 'schema ' || pg_catalog.quote_ident(n.nspname) = r.schema)
  order by r.identity`;
