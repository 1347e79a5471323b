import type { Session } from '../session/session.ts';

interface Blocker {
  pid: number;
  role: string;
  application: string;
  relation: string;
  mode: string;
  granted: boolean;
  seconds: number | null;
  query: string | null;
}

// Other sessions wait behind a request for an exclusive lock, whether it has been granted or not.
const blockersSql = /* sql */ `
  select distinct a.pid, coalesce(a.usename, '?')::text as role, coalesce(a.application_name, '') as application,
    c.oid::pg_catalog.regclass::text as relation, l.mode, l.granted,
    pg_catalog.round(extract(epoch from pg_catalog.clock_timestamp() - a.xact_start))::int as seconds,
    case when $2 then a.query end as query
  from pg_catalog.pg_locks as l
  join pg_catalog.pg_class as c on c.oid = l.relation
  left join pg_catalog.pg_stat_activity as a on a.pid = l.pid
  where l.pid <> pg_catalog.pg_backend_pid() and l.relation = any ($1)
    and case when $3 then l.mode = 'AccessExclusiveLock' else l.granted end
    and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
  order by a.pid, relation`;

/**
 * Returns the names of the relations that other sessions hold locks on, and one line of text for each lock.
 *
 * @param onlyExclusive only `ACCESS EXCLUSIVE` locks, granted or waited for
 */
export async function readBlockers(
  session: Session,
  oids: readonly number[],
  { onlyExclusive = false } = {},
): Promise<{ relations: string[]; lines: string[] }> {
  const showQueries = process.env.UNDROP_SHOW_QUERIES === '1';
  const blockers = await session.read<Blocker>(blockersSql, [oids, showQueries, onlyExclusive]);
  return {
    relations: [...new Set(blockers.map(({ relation }) => relation))],
    lines: blockers.map(
      ({ pid, role, application, relation, mode, granted, seconds, query }) =>
        `${relation}: pid ${pid} (${role}${application === '' ? '' : `, ${application}`}) ` +
        `${granted ? 'holds' : 'waits for'} ${mode}` +
        (seconds === null ? '' : `, in a transaction of ${seconds} s`) +
        (query === null ? '' : `: ${query}`),
    ),
  };
}

// A prepared transaction belongs to no session; its age is that of its PREPARE TRANSACTION.
const longSql = /* sql */ `
  select pg_catalog.format('%s, %s s old, which holds %s on %s',
      case when l.pid is null then 'a prepared transaction'
        else pg_catalog.format('pid %s (%s%s)', l.pid, coalesce(a.usename, '?'),
          case when a.application_name <> '' then ', ' || a.application_name else '' end) end,
      pg_catalog.round(t.seconds), pg_catalog.min(l.mode),
      pg_catalog.string_agg(distinct l.relation::pg_catalog.regclass::text, ', ')) as line
  from pg_catalog.pg_locks as l
  left join pg_catalog.pg_stat_activity as a on a.pid = l.pid
  left join pg_catalog.pg_locks as x on x.virtualtransaction = l.virtualtransaction and x.locktype = 'transactionid' and x.granted
  left join pg_catalog.pg_prepared_xacts as p on l.pid is null and p.transaction = x.transactionid
  cross join lateral (
    select extract(epoch from pg_catalog.clock_timestamp() - coalesce(a.xact_start, p.prepared)) as seconds) as t
  where l.granted and l.relation = any ($1) and l.pid is distinct from pg_catalog.pg_backend_pid()
    and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
    and t.seconds >= 5
  group by l.pid, a.usename, a.application_name, t.seconds
  order by t.seconds desc`;

/**
 * Returns a line of text for each transaction that is at least five seconds old and holds a lock on these relations,
 * oldest first.
 */
export async function readLongTransactions(session: Session, oids: readonly number[]): Promise<string[]> {
  const rows = await session.read<{ line: string }>(longSql, [oids]);
  return rows.map(({ line }) => line);
}
