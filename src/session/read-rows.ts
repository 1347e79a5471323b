import type { ClientBase } from 'pg';
import { type Connection, statementsOn } from './statements.ts';

/**
 * Returns the rows of one query on a client outside of a session, with values as in JSON, whatever type parsers the
 * application has set for the driver.
 */
export function readRows<Row extends object>(
  client: ClientBase,
  sql: string,
  values?: readonly unknown[],
): Promise<Row[]> {
  return statementsOn(client as unknown as Connection).read<Row>(sql, values);
}
