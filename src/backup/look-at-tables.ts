import type { Session } from '../session.ts';

// Tables that belong to an extension come back with it, and pg_dump leaves them out.
const tablesSql = /* sql */ `
  select n.nspname as schema, c.relname as name, pg_catalog.format('%I.%I', n.nspname, c.relname) as sql
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and c.relpersistence <> 't'
    and n.nspname <> 'information_schema' and not pg_catalog.starts_with(n.nspname::text, 'pg_')
    and not exists (
      select from pg_catalog.pg_depend as d
      where d.classid = c.tableoid and d.objid = c.oid and d.deptype = 'e')
  order by n.nspname, c.relname`;

export interface SeenTable {
  readonly schema: string;
  readonly name: string;
  readonly sql: string;
}

/** The tables that a backup of the whole database has to hold, as somebody says that one does. */
export function lookAtTables(session: Session): Promise<SeenTable[]> {
  return session.read<SeenTable>(tablesSql);
}
