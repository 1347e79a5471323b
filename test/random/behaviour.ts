import type pg from 'pg';

const relationsSql = /* sql */ `
  select format('%I.%I', n.nspname, c.relname) as name, c.relkind as kind,
    (select json_agg(json_build_object('name', quote_ident(a.attname), 'type', format_type(a.atttypid, null)) order by a.attnum)
     from pg_attribute as a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm') and n.nspname not in ('information_schema', 'undrop', 'oracle')
    and n.nspname not like 'pg\\_%'
  order by 1`;

const functionsSql = /* sql */ `
  select format('%I.%I()', n.nspname, p.proname) as call
  from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
  where p.prosqlbody is not null and p.pronargs = p.pronargdefaults and p.prokind = 'f'
  order by 1`;

interface Relation {
  name: string;
  kind: string;
  columns: { name: string; type: string }[] | null;
}

/**
 * Reads the behaviour of the objects of a database: the rows of relations, also for a role that policies restrict; the
 * effects of changes, with triggers, rules, checks and indexes; results of functions. Errors are compared by class:
 * which of two indexes is checked first is up to the server. All changes are rolled back.
 */
export async function readBehaviour(client: pg.Client): Promise<string[]> {
  const { rows: relations } = await client.query<Relation>(relationsSql);
  const { rows: functions } = await client.query<{ call: string }>(functionsSql);
  const seen: string[] = [];
  await client.query('begin');
  const attempt = async (sql: string, who?: string) => {
    await client.query(`savepoint one${who ? `; set local role ${who}` : ''}`);
    const result = await client.query(sql).then(
      ({ rows, rowCount }) => JSON.stringify(rows.length > 0 ? rows : rowCount),
      (error: { code?: string }) => `error ${error.code?.slice(0, 2)}`,
    );
    seen.push(`${who ?? ''} ${sql}: ${result}`);
    await client.query('rollback to savepoint one');
  };
  for (const { name, kind, columns } of relations) {
    // The contents of a materialized view may be older than the result of its query.
    if (kind === 'm')
      await client
        .query(`savepoint fresh; refresh materialized view ${name}`)
        .catch(() => client.query('rollback to savepoint fresh'));
    const all = `select pg_catalog.md5(pg_catalog.string_agg(r::text, '|' order by r::text collate "C")) as rows from ${name} as r`;
    await attempt(all);
    if (kind !== 'm') await attempt(all, 'case_a');
    const changed = columns?.find(({ type }) => /label|citext/.test(type));
    if (changed === undefined || kind === 'm') continue;
    for (const value of [changed.name, "'aBC'", "'no'"])
      await attempt(`update ${name} set ${changed.name} = ${value}`);
    await attempt(`delete from ${name}`);
  }
  for (const { call } of functions) await attempt(`select pg_catalog.to_json(q) from ${call} as q`);
  await client.query('rollback');
  return seen;
}
