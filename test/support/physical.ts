import type { Runner } from './migrate.ts';

/** What a copy could not keep: OIDs, files, the places of rows, the statistics of the planner. */
export async function physical(run: Runner): Promise<unknown> {
  const relations = await run.rows<{ name: string; relkind: string }>(`
    select c.oid::int, format('%I.%I', n.nspname, c.relname) as name, c.relkind, c.relfilenode::int,
      (select md5(string_agg(s::text, ',' order by s.staattnum)) from pg_statistic s where s.starelid = c.oid) as statistics
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'i', 'I', 'S', 'f') and n.nspname !~ '^(pg_|undrop|information_schema)'
      and not exists (select from pg_index x join pg_class m on m.oid = x.indrelid and m.relkind = 'm' where x.indexrelid = c.oid)
    order by 1`);
  const rows = [];
  for (const { name, relkind } of relations)
    if (relkind === 'r') rows.push(await run.rows(`select ctid, t::text from only ${name} t order by ctid`));
  return { relations, rows };
}
