import type { Statement } from '../capture/capture.ts';
import { refresh } from '../catalog/families/refresh.ts';

/**
 * The statements of an entry of any age as those of today: older ones filled a materialized view as they made it, with
 * the rights of whoever restored it.
 */
export function refreshLast(statements: readonly Statement[]): Statement[] {
  const refreshes = statements
    .filter(fills)
    .flatMap(({ kind, identity }) => refresh(identity).map((sql) => ({ kind, identity, sql })));
  const made = statements.map((statement) =>
    fills(statement) ? { ...statement, sql: `${statement.sql}${empty}` } : statement,
  );
  return [...made, ...refreshes];
}

const empty = '\nwith no data';

function fills({ kind, sql }: Statement): boolean {
  return kind === 'materialized view' && sql.startsWith('create materialized view ') && !sql.endsWith(empty);
}
