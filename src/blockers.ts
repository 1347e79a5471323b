import type { Session } from './session.ts';

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

// Behind a request for an exclusive lock everybody waits, whether it is granted or not.
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
 * Who holds locks on these relations: their names, and a line for each lock.
 *
 * @param onlyExclusive those that keep others from reading, asked for or held
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
