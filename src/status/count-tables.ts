import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';

export interface Counted {
  readonly count: number;
  readonly tables: readonly string[];
}

const schemaSql = /* sql */ `
  select exists (select from pg_catalog.pg_namespace as n where n.nspname = $1) as exists`;

// Partitioned tables and their partitions are in it; views and foreign tables are not.
const tablesSql = /* sql */ `
  select t.tablename::text as name
  from pg_catalog.pg_tables as t
  where t.schemaname = $1
  order by t.tablename`;

/**
 * The tables of a schema.
 *
 * @throws UndropError `bad-options` where there is no such schema
 */
export async function countTables(session: Session, schema: string): Promise<Counted> {
  const [found] = await session.read<{ exists: boolean }>(schemaSql, [schema]);
  if (found?.exists !== true) {
    throw new UndropError('bad-options', {
      subject: schema,
      message: `There is no schema ${schema} in ${session.database}.`,
      reason: 'A schema that is not there is not one without tables.',
      next: 'Correct --schema, or the connection.',
    });
  }
  const tables = await session.read<{ name: string }>(tablesSql, [schema]);
  return { count: tables.length, tables: tables.map(({ name }) => name) };
}
