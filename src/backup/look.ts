import { readInventory } from '../inventory.ts';
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

export interface Seen {
  readonly tables: readonly { schema: string; name: string; sql: string }[];
  /** By name, as `verify` compares them. */
  readonly objects: readonly string[];
}

/** What a backup of the whole database has to hold, as somebody says that one does. */
export async function look(session: Session): Promise<Seen> {
  return {
    tables: await session.read<{ schema: string; name: string; sql: string }>(tablesSql),
    objects: await readInventory(session),
  };
}
