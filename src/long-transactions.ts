import type { Session } from './session.ts';

// Long for an application that answers people. A prepared transaction belongs to no session, and has its own time.
const longSql = /* sql */ `
  select pg_catalog.format('%s, %s s old, with %s on %s',
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

/** The transactions, five seconds old or more, that hold any lock on these relations: a line each, oldest first. */
export async function readLongTransactions(session: Session, oids: readonly number[]): Promise<string[]> {
  const rows = await session.read<{ line: string }>(longSql, [oids]);
  return rows.map(({ line }) => line);
}
