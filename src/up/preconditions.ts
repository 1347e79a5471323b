import { type Closure, dependents, type Member } from '../catalog/closure.ts';
import { sizeSql } from '../catalog/families/rows.ts';
import { countUnplanned, findForeignCode } from '../catalog/foreign-code.ts';
import { explainRows } from '../catalog/unreadable-rows.ts';
import { sqlState, UndropError } from '../errors.ts';
import type { Options } from '../options/options.ts';
import type { Session } from '../session/session.ts';
import { withProgress } from '../text/progress.ts';
import { countOf } from '../text/units.ts';
import { findForeignRows } from './foreign-rows.ts';
import { refuseLargeCopy } from './row-costs.ts';

/**
 * Checks the locked closure against the options `dependents` and `rows`, and the limit of copies.
 *
 * @throws UndropError `has-dependents`, `not-empty`
 */
export async function check(session: Session, closure: Closure, options: Options): Promise<void> {
  const others = dependents(closure);
  if (options.dependents === 'refuse' && others.length > 0) throw hasDependents(others, options);
  if (options.rows === 'copy') return refuseLargeCopy(session, closure, options);
  if (options.rows === 'move') return;
  const filled = await findRows(session, closure);
  if (filled.length > 0) throw notEmpty(filled);
}

/** A table that is not empty, or may not be. */
export interface Filled {
  /** Qualified. */
  readonly identity: string;
  /** Why it does not count as empty: `3 rows`, or that its rows could not be counted. */
  readonly found: string;
  /** The foreign server that keeps the rows, of a foreign table. */
  readonly server?: string;
}

const maybeFilledSql = /* sql */ `
  select c.oid::bigint as oid, z.bytes
  from pg_catalog.pg_class as c
  cross join ${sizeSql} as z
  where c.oid = any ($1) and c.relkind = 'r' and z.filled`;

const most = 1000;

// countUnplanned reads a table to the end.
const mostBytes = 64 << 20;

/**
 * The tables of the closure that are not empty. A table whose file has no bytes is empty. Of the others, rows are
 * counted with row_security off, so that the server raises an error where a policy would hide rows.
 */
export async function findRows(session: Session, closure: Closure): Promise<Filled[]> {
  const tables = closure.members.filter((member) => member.kind === 'table');
  const found = await session.read<{ oid: number; bytes: number }>(maybeFilledSql, [
    tables.map(({ objid }) => objid),
  ]);
  const maybeFilled = new Map(found.map(({ oid, bytes }) => [oid, bytes]));
  const foreign = await findForeignCode(
    session,
    tables.filter(({ objid }) => maybeFilled.has(objid)).map(({ identity }) => identity),
  );
  const filled: Filled[] = [];
  for await (const { objid, identity } of withProgress('look for rows', tables, (table) => table.identity)) {
    const bytes = maybeFilled.get(objid);
    if (bytes === undefined) continue;
    if (foreign.has(identity) && bytes > mostBytes) {
      filled.push({ identity, found: 'unknown: counting the rows would run functions of other roles' });
      continue;
    }
    try {
      const count = await session.attempt(() =>
        foreign.has(identity) ? countUnplanned(session, identity) : countSome(session, identity),
      );
      if (count > 0)
        filled.push({ identity, found: count > most ? `more than ${most} rows` : countOf(count, 'row') });
    } catch (error) {
      if (sqlState(error) !== '42501') throw await explainRows(session, error, identity);
      filled.push({ identity, found: 'unknown: row-level security or missing privileges hide its rows' });
    }
  }
  return [...filled, ...(await findForeignRows(session, closure))];
}

async function countSome(session: Session, table: string): Promise<number> {
  const [row] = await session.read<{ count: number }>(
    `select pg_catalog.count(*)::int as count from (select from only ${table} limit ${most + 1}) as r`,
  );
  return row?.count ?? 0;
}

function notEmpty(filled: readonly Filled[]): UndropError {
  return new UndropError('not-empty', {
    subject: filled.map(({ identity }) => identity).join(', '),
    message: `${filled.map(({ identity }) => identity).join(', ')} ${filled.length === 1 ? 'is' : 'are'} not empty.`,
    reason: filled.map(({ identity, found }) => `${identity}: ${found}`).join('\n'),
    next:
      "Delete the rows if they are not needed, set rows: 'move' or rows: 'copy' to keep them in the archive, " +
      'or remove the table from the migration.' +
      (filled.some(({ server }) => server !== undefined)
        ? ' Rows of foreign tables stay on their server.'
        : ''),
  });
}

function hasDependents(others: readonly Member[], options: Options): UndropError {
  return new UndropError('has-dependents', {
    subject: others.map(({ identity }) => identity).join(', '),
    message: `The drop would also remove ${others.length === 1 ? '1 dependent object' : `${others.length} dependent objects`}.`,
    reason: others.map(({ kind, identity }) => `${kind} ${identity}`).join('\n'),
    next:
      'Remove these references first, or drop and restore them with the tables: ' +
      `dependents: 'cascade', for one run UNDROP_DEPENDENTS=cascade:${options.name}`,
  });
}
