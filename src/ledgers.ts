import { withoutExtension } from './migration-name.ts';
import type { Session } from './session.ts';

// By their shape, since they may have any name. Ours first, then that of the project which had one before.
const ledgersSql = /* sql */ `
  select pg_catalog.format('%I.%I', n.nspname, c.relname) as name
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and not pg_catalog.starts_with(n.nspname::text, 'pg_')
    and 4 = (
      select pg_catalog.count(*) from pg_catalog.pg_attribute as a
      where a.attrelid = c.oid and a.attname in ('id', 'name', 'batch', 'migration_time'))
  order by c.relname <> 'knex_migrations', n.nspname <> 'undrop', n.nspname <> 'public', n.nspname, c.relname`;

/** The tables in which Knex may have recorded what has run, the likeliest first. Qualified and quoted. */
export async function findLedgers(session: Session): Promise<string[]> {
  const ledgers = await session.read<{ name: string }>(ledgersSql);
  return ledgers.map(({ name }) => name);
}

/** The migrations that any ledger of the database has as completed, without extensions. */
export async function readRecorded(session: Session): Promise<ReadonlySet<string>> {
  const recorded = new Set<string>();
  for (const ledger of await findLedgers(session)) {
    const rows = await session.read<{ name: string }>(`select l.name from ${ledger} as l order by l.id`);
    for (const { name } of rows) recorded.add(withoutExtension(name));
  }
  return recorded;
}
