import { describeStranger, findStrangers } from '../catalog/strangers.ts';
import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import type { Statement } from './capture.ts';
import type { Prerequisite } from './prerequisites.ts';
import { setsPath } from './print-under-path.ts';

// This query runs under the path, so all names in it are qualified, functions included.
const schemasSql = /* sql */ `
  select pg_catalog.quote_ident(s.name) as schema
  from pg_catalog.unnest(pg_catalog.current_schemas(false)) as s (name)`;

const operatorsSql = /* sql */ `
  select a.objid::bigint as oid
  from pg_catalog.jsonb_to_recordset($1::jsonb) as p (type text, names text[], args text[])
  cross join lateral pg_catalog.pg_get_object_address(p.type, p.names, p.args) as a
  where p.type = 'operator'`;

/**
 * Checks the schemas that statements add to the search path. Another role may have created a function or operator in
 * them that could be taken for a built-in one. It would run with the privileges of the role that restores.
 *
 * @param prerequisites the objects that the statements depend on, all of which exist
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
    message: 'The tables cannot be restored safely: objects of other roles could be taken for built-in ones.',
    reason: strangers.map(describeStranger).join('\n'),
    next: 'Nothing was changed. Drop these objects, or transfer them to the owner of their schema, then run it again.',
  });
}
