import type { Session } from '../session/session.ts';
import { duration } from '../text/units.ts';

interface Blocker {
  holder: string;
  gid: string | null;
  relation: string;
  mode: string;
  granted: boolean;
  seconds: number | null;
  query: string | null;
}

// The holders of locks, alias `l`. A prepared transaction belongs to no session, and holds a lock on its own transaction ID.
// Autovacuum has no role. A role without the privileges of pg_read_all_stats does not see the type of other processes.
// https://www.postgresql.org/docs/current/view-pg-locks.html
// https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW
const holdersSql = /* sql */ `
  left join pg_catalog.pg_stat_activity as a on a.pid = l.pid
  left join pg_catalog.pg_locks as x
    on l.pid is null and x.virtualtransaction = l.virtualtransaction and x.locktype = 'transactionid' and x.granted
  left join pg_catalog.pg_prepared_xacts as p on p.transaction = x.transactionid
  cross join lateral (
    select extract(epoch from pg_catalog.clock_timestamp() - coalesce(a.xact_start, p.prepared)) as seconds,
      case
        when l.pid is null then pg_catalog.format('prepared transaction %L (%s)', p.gid, p.owner)
        when a.backend_type = 'autovacuum worker' then pg_catalog.format('autovacuum, pid %s', l.pid)
        when a.pid is not null and a.usesysid is null then
          pg_catalog.format('pid %s (%s)', l.pid, coalesce(a.backend_type, 'a process of the server, such as autovacuum'))
        else pg_catalog.format('pid %s (%s%s)', l.pid, coalesce(a.usename, '?'),
          case when a.application_name <> '' then ', ' || a.application_name else '' end)
      end as holder
  ) as t`;

const ofOthers = /* sql */ `l.relation = any ($1) and l.pid is distinct from pg_catalog.pg_backend_pid()
    and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())`;

// Other sessions wait behind a request for an exclusive lock, whether it has been granted or not.
const blockersSql = /* sql */ `
  select distinct l.pid, t.holder, pg_catalog.quote_literal(p.gid) as gid,
    c.oid::pg_catalog.regclass::text as relation, l.mode, l.granted,
    pg_catalog.round(t.seconds)::int as seconds,
    case when $2 then a.query end as query
  from pg_catalog.pg_locks as l
  join pg_catalog.pg_class as c on c.oid = l.relation
  ${holdersSql}
  where ${ofOthers} and case when $3 then l.mode = 'AccessExclusiveLock' else l.granted end
  order by l.pid, t.holder, relation`;

/** The locks of other sessions and prepared transactions on some relations. */
export interface Blockers {
  /** The names of the relations. */
  readonly relations: readonly string[];
  /** One line of text for each lock. */
  readonly lines: readonly string[];
  /** The statements that end the prepared transactions among the holders, as a sentence; otherwise empty. */
  readonly next: string;
}

/**
 * Reads the locks that other sessions hold on relations.
 *
 * @param onlyExclusive only `ACCESS EXCLUSIVE` locks, granted or waited for
 */
export async function readBlockers(
  session: Session,
  oids: readonly number[],
  { onlyExclusive = false } = {},
): Promise<Blockers> {
  const showQueries = process.env.UNDROP_SHOW_QUERIES === '1';
  const blockers = await session.read<Blocker>(blockersSql, [oids, showQueries, onlyExclusive]);
  const gids = new Set(blockers.flatMap(({ gid }) => gid ?? []));
  const statements = [...gids].map((gid) => `rollback prepared ${gid}`).join('; ');
  return {
    relations: [...new Set(blockers.map(({ relation }) => relation))],
    lines: blockers.map(
      ({ holder, relation, mode, granted, seconds, query }) =>
        `${relation}: ${holder} ${granted ? 'holds' : 'waits for'} ${mode}` +
        (seconds === null ? '' : `, in a transaction of ${duration(seconds)}`) +
        (query === null ? '' : `: ${query}`),
    ),
    next:
      gids.size === 0
        ? ''
        : ` A prepared transaction holds its locks until it is committed or rolled back: ${statements}`,
  };
}

const longSql = /* sql */ `
  select pg_catalog.format('%s, %s s old, which holds %s on %s', t.holder,
      pg_catalog.round(t.seconds), pg_catalog.min(l.mode),
      pg_catalog.string_agg(distinct l.relation::pg_catalog.regclass::text, ', ')) as line
  from pg_catalog.pg_locks as l
  ${holdersSql}
  where l.granted and ${ofOthers} and t.seconds >= 5
  group by t.holder, t.seconds
  order by t.seconds desc`;

/**
 * Returns a line of text for each transaction that is at least five seconds old and holds a lock on these relations,
 * oldest first.
 */
export async function readLongTransactions(session: Session, oids: readonly number[]): Promise<string[]> {
  const rows = await session.read<{ line: string }>(longSql, [oids]);
  return rows.map(({ line }) => line);
}
