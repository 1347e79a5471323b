import { describeStranger, findStrangers } from '../catalog/strangers.ts';
import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import type { Statement } from './capture.ts';
import type { Prerequisite } from './prerequisites.ts';
import { setsPath } from './print-under-path.ts';

// What is read under the path is qualified, functions and all.
const schemasSql = /* sql */ `
  select pg_catalog.quote_ident(s.name) as schema
  from pg_catalog.unnest(pg_catalog.current_schemas(false)) as s (name)`;

const operatorsSql = /* sql */ `
  select a.objid::bigint as oid
  from pg_catalog.jsonb_to_recordset($1::jsonb) as p (type text, names text[], args text[])
  cross join lateral pg_catalog.pg_get_object_address(p.type, p.names, p.args) as a
  where p.type = 'operator'`;

/**
 * Statements that take other schemas into the search path run only as long as nobody else has put there what could be
 * taken for a built-in function or operator: it would run with the rights of whoever restores.
 *
 * @param prerequisites what the statements rest on, all of it there
 * @throws UndropError `restore-failed`
 */
export async function checkPaths(
  session: Session,
  statements: readonly Statement[],
  prerequisites: readonly Prerequisite[],
): Promise<void> {
  const paths = new Set(statements.map(({ sql }) => sql).filter(setsPath));
  const schemas = new Set<string>();
  for (const path of paths) {
    const found = await session.rehearse(async () => {
      await session.run(path);
      return session.read<{ schema: string }>(schemasSql);
    });
    for (const { schema } of found) schemas.add(schema);
  }
  if (schemas.size === 0) return;
  const operators = await session.read<{ oid: number }>(operatorsSql, [JSON.stringify(prerequisites)]);
  const strangers = await findStrangers(
    session,
    [...schemas],
    operators.map(({ oid }) => oid),
  );
  if (strangers.length === 0) return;
  throw new UndropError('restore-failed', {
    subject: strangers.map(({ identity }) => identity).join(', '),
    message: 'The tables cannot be restored, since what they rest on could be mistaken.',
    reason: strangers.map(describeStranger).join('\n'),
    next: 'Nothing was changed. Drop these, or give them to the owner of their schema, then roll back again.',
  });
}
