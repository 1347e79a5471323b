import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';

export interface Counted {
  readonly count: number;
  readonly tables: readonly string[];
}

const schemaSql = /* sql */ `
  select exists (select from pg_catalog.pg_namespace as n where n.nspname = $1) as exists`;

// Includes partitioned tables and their partitions, but not views and foreign tables.
const tablesSql = /* sql */ `
  select t.tablename::text as name
  from pg_catalog.pg_tables as t
  where t.schemaname = $1
  order by t.tablename`;

/**
 * The tables of a schema, sorted.
 *
 * @throws UndropError `bad-options` where the schema does not exist
 */
export async function countTables(session: Session, schema: string): Promise<Counted> {
  const [found] = await session.read<{ exists: boolean }>(schemaSql, [schema]);
  if (found?.exists !== true) {
    throw new UndropError('bad-options', {
      subject: schema,
      message: `The schema ${schema} does not exist in ${session.database}.`,
      reason: 'Tables can be counted only in an existing schema.',
      next: 'Correct --schema, or the connection.',
    });
  }
  const tables = await session.read<{ name: string }>(tablesSql, [schema]);
  return { count: tables.length, tables: tables.map(({ name }) => name) };
}
