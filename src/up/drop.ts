import { moveAway } from '../archive/move-tables.ts';
import { type Closure, dependents } from '../catalog/closure.ts';
import { describeEventTriggers } from '../catalog/event-triggers.ts';
import { isUndropError, isVerdict, serverWords, sqlState, UndropError } from '../errors.ts';
import type { Table } from '../options/table.ts';
import { explain as explainServer } from '../session/server-errors.ts';
import type { Session } from '../session/session.ts';
import type { Archived } from './archive-closure.ts';

// The catalog rows that this transaction has deleted and inserted so far, as in pg_stat_xact_sys_tables.
// https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-STATS-FUNCTIONS
const deletedSql = /* sql */ `
  select c.relname as catalog, pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid)::int as deleted,
    pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid)::int as inserted,
    pg_catalog.current_setting('track_counts')::boolean as counts
  from pg_catalog.pg_class as c
  -- lateral, since a join would read the columns of all tables
  cross join lateral (
    select from pg_catalog.pg_attribute as a where a.attrelid = c.oid and a.attname = 'oid' offset 0) as a
  -- the OIDs of catalogs are below 16384, and the column has an index
  where c.oid < 16384 and c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace
    and c.relkind = 'r' and not c.relisshared
  order by c.relname`;

const leftSql = /* sql */ `
  select pg_catalog.count(*)::int as count
  from unnest($1::oid[], $2::oid[]) as m (classid, objid)
  cross join lateral pg_catalog.pg_identify_object(m.classid, m.objid, 0) as i
  where i.identity is not null`;

/**
 * Removes the tables, and checks that the server removed exactly the closure: no member exists any longer, and from each
 * catalog it deleted as many rows as the closure has members in it. With `rows: 'move'`, moves the tables into the
 * archive, and drops only what is not moved with them.
 *
 * @throws UndropError `drop-differs`; `unsupported-server` where `track_counts` is off; `lock-timeout`;
 * `insufficient-privilege`
 */
export async function drop(
  session: Session,
  tables: readonly Table[],
  closure: Closure,
  { move, moved }: Pick<Archived['capture'], 'move' | 'moved'> = { move: undefined, moved: [] },
): Promise<void> {
  const behaviour = dependents(closure).length === 0 ? 'restrict' : 'cascade';
  const statements = move?.drops ?? [`drop table ${tables.map(({ sql }) => sql).join(', ')} ${behaviour}`];
  const readRemoved = () => readDeleted(session, move?.detaches === true);
  const [before, triggers] = await session.together([readRemoved(), describeEventTriggers(session)]);
  try {
    if (statements.length > 0) await session.run(statements.join(';\n'));
  } catch (error) {
    throw explain(error, tables, triggers);
  }
  const whole = closure.members.filter(
    ({ key, objsubid }) => objsubid === 0 && (move === undefined || move.dropped.has(key)),
  );
  const [after, [left]] = await session.together([
    readRemoved(),
    session.read<{ count: number }>(leftSql, [
      whole.map((member) => member.classid),
      whole.map((member) => member.objid),
    ]),
  ]);
  const problems = compareCounts(whole, before, after);
  if (left?.count !== 0) problems.push(`${left?.count} objects of the closure still exist`);
  if (problems.length > 0) throw dropDiffers(tables, problems, triggers);
  await moveAway(session, moved).catch((error: unknown) => {
    throw explain(error, tables, triggers);
  });
}

function dropDiffers(tables: readonly Table[], problems: readonly string[], triggers: string): UndropError {
  return new UndropError('drop-differs', {
    subject: tables.map(({ written }) => written).join(', '),
    message: 'The drop did not remove exactly the captured objects.',
    reason: problems.join('\n'),
    next:
      triggers === ''
        ? 'Nothing was changed. There are no event triggers that could alter objects; please report this.'
        : `Nothing was changed. Look for event triggers that alter objects. ${triggers}`,
  });
}

/**
 * @param isNet whether rows that were inserted are subtracted: a foreign key of a partition gets further triggers when
 * the partition is detached, which are dropped with the key
 */
async function readDeleted(session: Session, isNet: boolean): Promise<Map<string, number>> {
  const rows = await session.read<{ catalog: string; deleted: number; inserted: number; counts: boolean }>(
    deletedSql,
  );
  if (rows.every(({ counts }) => !counts)) {
    throw new UndropError('unsupported-server', {
      subject: 'track_counts',
      message: 'The setting track_counts is off.',
      reason: 'Without it the server does not count what a drop removes, so the drop cannot be checked.',
      next: 'Set track_counts to on, which is the default.',
    });
  }
  return new Map(
    rows.map(({ catalog, deleted, inserted }) => [catalog, isNet ? deleted - inserted : deleted]),
  );
}

function compareCounts(
  members: Closure['members'],
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): string[] {
  const expected = new Map<string, number>();
  for (const { catalog } of members) expected.set(catalog, (expected.get(catalog) ?? 0) + 1);
  return [...new Set([...expected.keys(), ...after.keys()])].sort().flatMap((catalog) => {
    const removed = (after.get(catalog) ?? 0) - (before.get(catalog) ?? 0);
    const captured = expected.get(catalog) ?? 0;
    return removed === captured ? [] : [`${catalog}: ${captured} captured, ${removed} removed`];
  });
}

function explain(error: unknown, tables: readonly Table[], triggers: string): unknown {
  if (isUndropError(error)) return error;
  const subject = tables.map(({ written }) => written).join(', ');
  const reason = error instanceof Error ? error.message : String(error);
  switch (sqlState(error)) {
    case '55P03':
      return new UndropError('lock-timeout', {
        subject,
        message: 'A lock that only DROP itself can take could not be acquired.',
        reason,
        next: 'Run the migration again when there is less load.',
        cause: error,
      });
    case '42501':
      return new UndropError('insufficient-privilege', {
        subject,
        message: 'This role cannot drop the tables.',
        reason,
        next: 'Run the migration as the owner of the tables.',
        cause: error,
      });
    default:
      // 55006 is for pending trigger events, which are not due to an event trigger.
      if (!isVerdict(error) || sqlState(error) === '55006')
        return explainServer(error, { subject, words: `drop table ${subject}` });
      return new UndropError('server-error', {
        subject,
        message: 'The server could not drop the tables.',
        reason: [serverWords(error), triggers].filter((line) => line !== '').join('\n'),
        next: 'Nothing was changed. Remove the cause and run the migration again.',
        cause: error,
      });
  }
}
