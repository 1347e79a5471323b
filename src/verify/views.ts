import { inArchiveSql } from '../catalog/archive-schemas.ts';
import { isVerdict, sqlState } from '../errors.ts';
import { pins } from '../session/pinned-settings.ts';
import type { Session } from '../session/session.ts';
import { list } from '../text/units.ts';
import type { Check } from './format.ts';

const viewsSql = /* sql */ `
  with recursive
  -- Views read materialized views when they are queried, and a query of one without rows fails.
  unpopulated (oid) as (
    select c.oid from pg_catalog.pg_class as c where c.relkind = 'm' and not c.relispopulated
    union
    select v.oid
    from unpopulated as u
    join pg_catalog.pg_depend as d
      on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = u.oid
    join pg_catalog.pg_rewrite as w on w.oid = d.objid
    join pg_catalog.pg_class as v on v.oid = w.ev_class and v.relkind = 'v'
  )
  select pg_catalog.format('%I.%I', n.nspname, c.relname) as name, c.oid in (select u.oid from unpopulated as u) as empty
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('v', 'm')
    and n.nspname <> 'information_schema' and not ${inArchiveSql('n.nspname')}
    and not pg_catalog.starts_with(n.nspname::text, 'pg_')
    and not exists (
      select from pg_catalog.pg_depend as d
      where d.classid = c.tableoid and d.objid = c.oid and d.deptype = 'e')
  order by n.nspname, c.relname`;

/**
 * Checks that every view can be parsed and rewritten, with the views that it reads and the policies of their tables. This
 * runs no code of other roles. Planning would run functions for constant expressions, with the rights of the current role.
 * https://www.postgresql.org/docs/current/sql-prepare.html
 */
export async function checkViews(session: Session): Promise<Check> {
  const name = 'views can be parsed';
  const views = await session.read<{ name: string; empty: boolean }>(viewsSql);
  if (views.length === 0) return { name, state: 'not checked', found: 'no views' };
  const parsed: string[] = [];
  const unchecked: string[] = [];
  const broken: string[] = [];
  // With row security on, the rewriter adds the policies. No rows are read.
  await session.run('set local row_security = on');
  for (const view of views) {
    try {
      await session.attemptRun(`prepare undrop_view as select * from ${view.name};\ndeallocate undrop_view`);
      if (view.empty) unchecked.push(`${view.name}: cannot be queried, a materialized view is not populated`);
      else parsed.push(view.name);
    } catch (error) {
      // A missing privilege, or a lock of another session, does not show that the view is broken.
      const isUnchecked = ['42501', '55P03'].includes(sqlState(error) ?? '');
      if (!isUnchecked && !isVerdict(error)) throw error;
      const where = isUnchecked ? unchecked : broken;
      where.push(`${view.name}: ${(error as Error).message}`);
    }
  }
  await session.run(`set local row_security = ${pins.row_security}`);
  const rest = unchecked.length === 0 ? [] : [`not checked: ${list(unchecked)}`];
  if (broken.length > 0) return { name, state: 'failed', found: [list(broken), ...rest].join('; ') };
  if (parsed.length === 0) return { name, state: 'not checked', found: rest.join() };
  return { name, state: 'ok', found: [list(parsed), ...rest].join('; ') };
}
