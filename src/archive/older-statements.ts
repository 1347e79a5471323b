import type { Statement } from '../capture/capture.ts';
import { refresh } from '../catalog/families/refresh.ts';

/**
 * Converts the statements of older entries, which filled a materialized view when they created it, as the role that
 * restored it. The result creates it empty and refreshes it last, as its owner.
 */
export function refreshLast(statements: readonly Statement[]): Statement[] {
  const refreshes = statements
    .filter(fills)
    .flatMap(({ kind, identity }) => refresh(identity).map((sql) => ({ kind, identity, sql })));
  const created = statements.map((statement) =>
    fills(statement) ? { ...statement, sql: `${statement.sql}${empty}` } : statement,
  );
  return [...created, ...refreshes];
}

const empty = '\nwith no data';

function fills({ kind, sql }: Statement): boolean {
  return kind === 'materialized view' && sql.startsWith('create materialized view ') && !sql.endsWith(empty);
}
