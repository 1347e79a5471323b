import { type Closure, dependents } from '../catalog/closure.ts';
import { sqlState, UndropError } from '../errors.ts';
import type { Table } from '../options/table.ts';
import type { Session } from '../session/session.ts';

// Catalog rows that this transaction has deleted so far: pg_stat_xact_sys_tables, less what it counts besides.
// https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-STATS-FUNCTIONS
const deletedSql = /* sql */ `
  select c.relname as catalog, pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid)::int as rows,
    pg_catalog.current_setting('track_counts')::boolean as counts
  from pg_catalog.pg_class as c
  -- asked of each by itself: a join would read the columns of all tables
  cross join lateral (
    select from pg_catalog.pg_attribute as a where a.attrelid = c.oid and a.attname = 'oid' offset 0) as a
  -- catalogs have the numbers that initdb gave them, and there is an index on these
  where c.oid < 16384 and c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace
    and c.relkind = 'r' and not c.relisshared
  order by c.relname`;

const leftSql = /* sql */ `
  select pg_catalog.count(*)::int as count
  from unnest($1::oid[], $2::oid[]) as m (classid, objid)
  cross join lateral pg_catalog.pg_identify_object(m.classid, m.objid, 0) as i
  where i.identity is not null`;

/**
 * Drops the tables, and shows that this removed the closure and nothing else: every member is gone, and the server
 * deleted exactly as many objects of each catalog as the closure holds.
 *
 * @throws UndropError `drop-differs`; `unsupported-server` where `track_counts` is off; `lock-timeout`
 */
export async function drop(session: Session, tables: readonly Table[], closure: Closure): Promise<void> {
  const behaviour = dependents(closure).length === 0 ? 'restrict' : 'cascade';
  const before = await readDeleted(session);
  try {
    await session.run(`drop table ${tables.map(({ sql }) => sql).join(', ')} ${behaviour}`);
  } catch (error) {
    throw explain(error, tables);
  }
  const whole = closure.members.filter((member) => member.objsubid === 0);
  const [after, [left]] = await session.together([
    readDeleted(session),
    session.read<{ count: number }>(leftSql, [
      whole.map((member) => member.classid),
      whole.map((member) => member.objid),
    ]),
  ]);
  const surprises = compareCounts(whole, before, after);
  if (left?.count !== 0) surprises.push(`${left?.count} objects that should be gone are still there`);
  if (surprises.length === 0) return;
  throw new UndropError('drop-differs', {
    subject: tables.map(({ written }) => written).join(', '),
    message: 'The drop removed something else than was captured.',
    reason: surprises.join('\n'),
    next: 'Nothing was changed. Look for event triggers that alter objects; if there are none, please report this.',
  });
}

async function readDeleted(session: Session): Promise<Map<string, number>> {
  const rows = await session.read<{ catalog: string; rows: number; counts: boolean }>(deletedSql, []);
  if (rows.every(({ counts }) => !counts)) {
    throw new UndropError('unsupported-server', {
      subject: 'track_counts',
      message: 'The setting track_counts is off.',
      reason: 'Without it the server does not say how much a drop has removed, so it cannot be checked.',
      next: 'Set track_counts = on, which is the default.',
    });
  }
  return new Map(rows.map((row) => [row.catalog, row.rows]));
}

function compareCounts(
  members: Closure['members'],
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): string[] {
  const expected = new Map<string, number>();
  for (const { catalog } of members) expected.set(catalog, (expected.get(catalog) ?? 0) + 1);
  return [...new Set([...expected.keys(), ...after.keys()])].sort().flatMap((catalog) => {
    const gone = (after.get(catalog) ?? 0) - (before.get(catalog) ?? 0);
    const wanted = expected.get(catalog) ?? 0;
    return gone === wanted ? [] : [`${catalog}: ${wanted} captured, ${gone} removed`];
  });
}

function explain(error: unknown, tables: readonly Table[]): unknown {
  const subject = tables.map(({ written }) => written).join(', ');
  const reason = error instanceof Error ? error.message : String(error);
  switch (sqlState(error)) {
    case '55P03':
      return new UndropError('lock-timeout', {
        subject,
        message: 'A lock that only DROP itself may take was not to be had.',
        reason,
        next: 'Run it again at a quieter time.',
        cause: error,
      });
    case '42501':
      return new UndropError('insufficient-privilege', {
        subject,
        message: 'The tables cannot be dropped by this role.',
        reason,
        next: 'Run the migration as the owner of the tables.',
        cause: error,
      });
    default:
      return error;
  }
}
