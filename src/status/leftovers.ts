import { identifier } from '../options/table-name.ts';
import type { Session } from '../session/session.ts';

/** A scratch database, of a run that was killed or is still running. */
export interface Leftover {
  readonly database: string;
  /** The number of sessions that are connected to it. */
  readonly sessions: number;
  /** The command that removes it. */
  readonly remove: string;
}

// The names that `withScratch` and `openCopies` give.
const leftoversSql = /* sql */ `
  select d.datname as database,
    (select pg_catalog.count(*)::int from pg_catalog.pg_stat_activity as a where a.datid = d.oid) as sessions
  from pg_catalog.pg_database as d
  where d.datname ~ '^undrop_(proof|restore|rows|roundtrip)_[0-9]+_[0-9a-f]+$'
  order by d.datname`;

/** Returns the scratch databases on the server. */
export async function readLeftovers(session: Session): Promise<Leftover[]> {
  const found = await session.read<Omit<Leftover, 'remove'>>(leftoversSql);
  return found.map(({ database, sessions }) => {
    return { database, sessions, remove: `drop database ${identifier(database)}` };
  });
}
