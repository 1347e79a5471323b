import { inArchiveSql } from '../catalog/archive-schemas.ts';
import type { Session } from '../session/session.ts';

export interface Choice {
  /** A pattern with `*` for any characters and `?` for one, matched against `table` and `schema.table`. */
  readonly pattern?: string | undefined;
  /** The maximum number of tables. The same tables are selected each time. */
  readonly sample?: number | undefined;
  /** What happens to the rows. Default: `copy`. */
  readonly rows?: 'copy' | 'move' | undefined;
}

const tablesSql = /* sql */ `
  select pg_catalog.format('%I.%I', n.nspname, c.relname) as sql
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and c.relpersistence <> 't'
    and n.nspname <> all (array['pg_catalog', 'information_schema', 'pg_toast']) and not ${inArchiveSql('n.nspname')}
    and ($1::text is null or c.relname like $1 or n.nspname || '.' || c.relname like $1)
  order by case when $2::int is not null then pg_catalog.md5(n.nspname || '.' || c.relname) end,
    n.nspname collate "C", c.relname collate "C"
  limit $2`;

/** Returns the qualified and quoted names of the tables of a database, including partitions and partitioned tables. */
export async function listTables(session: Session, { pattern, sample }: Choice = {}): Promise<string[]> {
  const like = pattern
    ?.replace(/[\\%_]/g, '\\$&')
    .replaceAll('*', '%')
    .replaceAll('?', '_');
  const rows = await session.read<{ sql: string }>(tablesSql, [like ?? null, sample ?? null]);
  return rows.map(({ sql }) => sql).sort();
}
