import type { Session } from '../session/session.ts';

// The planner evaluates constant parts of the expressions of indexes and extended statistics, with the privileges of
// the role that runs the query. Functions owned by superusers or by this role are not foreign code.
// https://www.postgresql.org/docs/current/xfunc-volatility.html
const callersSql = /* sql */ `
  with tables as (
    select t.name, pg_catalog.to_regclass(t.name)::oid as oid from pg_catalog.unnest($1::text[]) as t (name)
  ),
  objects as (
    select t.name, 'pg_catalog.pg_class'::pg_catalog.regclass::oid as classid, i.indexrelid as objid
    from tables as t
    join pg_catalog.pg_index as i on i.indrelid = t.oid and (i.indexprs is not null or i.indpred is not null)
    union all
    select t.name, 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid
    from tables as t
    join pg_catalog.pg_statistic_ext as s on s.stxrelid = t.oid and s.stxexprs is not null
  )
  select distinct o.name
  from objects as o
  join pg_catalog.pg_depend as d on d.classid = o.classid and d.objid = o.objid
  left join pg_catalog.pg_operator as x
    on d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass and x.oid = d.refobjid
  join pg_catalog.pg_proc as p
    on p.oid = case d.refclassid when 'pg_catalog.pg_proc'::pg_catalog.regclass then d.refobjid else x.oprcode end
  join pg_catalog.pg_roles as r on r.oid = p.proowner
  where not r.rolsuper and r.rolname <> current_user
  order by o.name`;

/**
 * Returns those of the tables for which planning a query may run functions of other roles.
 *
 * @param tables qualified and quoted names
 */
export async function findForeignCode(session: Session, tables: readonly string[]): Promise<Set<string>> {
  if (tables.length === 0) return new Set();
  const found = await session.read<{ name: string }>(callersSql, [tables]);
  return new Set(found.map(({ name }) => name));
}

/**
 * Returns the number of rows of a table, without its children. Uses COPY, which plans no query but sends all rows.
 *
 * @param table qualified and quoted name
 */
export function countUnplanned(session: Session, table: string): Promise<number> {
  return session.copyOut(`copy ${table} to stdout`, async () => undefined);
}
