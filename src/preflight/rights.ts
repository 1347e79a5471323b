import { type Closure, membersIn } from '../catalog/closure.ts';
import type { Options } from '../options/options.ts';
import type { Table } from '../options/table.ts';
import type { Session } from '../session/session.ts';

// The privileges for the steps of up other than the drop: it writes the archive, recreates all objects in their schemas,
// foreign keys included, and sets the comment on the schema.
const rightsSql = /* sql */ `
  select r.lacks
  from (
    select case
      when n.oid is null and not pg_catalog.has_database_privilege(d.oid, 'create')
        then pg_catalog.format('create on database %I, for the schema undrop', d.datname)
      when not pg_catalog.has_schema_privilege(n.oid, 'usage')
        then 'usage on schema undrop, which another role owns'
      end as lacks
    from pg_catalog.pg_database as d
    left join pg_catalog.pg_namespace as n on n.nspname = 'undrop'
    where d.datname = pg_catalog.current_database()
    union all
    select distinct pg_catalog.format('create on schema %I, to recreate the tables', n.nspname)
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.oid = any ($1::oid[]) and not pg_catalog.has_schema_privilege(n.oid, 'create')
    union all
    select distinct pg_catalog.format('references on %I.%I, to recreate %I', n.nspname, c.relname, k.conname)
    from pg_catalog.pg_constraint as k
    join pg_catalog.pg_class as c on c.oid = k.confrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where k.oid = any ($2::oid[]) and k.contype = 'f'
      and not pg_catalog.has_any_column_privilege(c.oid, 'references')
    union all
    select distinct pg_catalog.format('ownership of schema %I, to comment on it', n.nspname)
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where $3 and c.oid = any ($1::oid[]) and not pg_catalog.pg_has_role(n.nspowner, 'usage')
  ) as r
  where r.lacks is not null
  order by r.lacks`;

/** Returns the privileges that `up` needs in addition to the ownership of the tables, and that the role lacks. */
export async function findMissingRights(
  session: Session,
  tables: readonly Table[],
  closure: Closure,
  options: Options,
): Promise<string[]> {
  const rows = await session.read<{ lacks: string }>(rightsSql, [
    tables.map(({ oid }) => oid),
    [...membersIn(closure, 'pg_constraint').keys()],
    options.schemaComment !== undefined,
  ]);
  return rows.map(({ lacks }) => lacks);
}
