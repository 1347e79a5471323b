import { type Closure, membersIn } from '../catalog/closure.ts';
import { sqlState, UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';

interface Key {
  name: string;
  table: string;
  sql: string;
}

// Foreign keys that tie the tables to others: those between tables of the closure are rehearsed with the rows. The
// operators are those that the key itself uses. https://www.postgresql.org/docs/current/catalog-pg-constraint.html
const keysSql = /* sql */ `
  select i.identity as name, t.identity as table,
    pg_catalog.format('select from %s%s as t left join %s%s as r on %s where %s and r.%I is null limit 1',
      case c.relkind when 'p' then '' else 'only ' end, t.identity,
      case p.relkind when 'p' then '' else 'only ' end, r.identity, columns.equal, columns.filled, columns.first) as sql
  from pg_catalog.pg_constraint as k
  join pg_catalog.pg_class as c on c.oid = k.conrelid
  join pg_catalog.pg_class as p on p.oid = k.confrelid
  cross join lateral pg_catalog.pg_identify_object(k.tableoid, k.oid, 0) as i
  cross join lateral pg_catalog.pg_identify_object(c.tableoid, c.oid, 0) as t
  cross join lateral pg_catalog.pg_identify_object(p.tableoid, p.oid, 0) as r
  cross join lateral (
    select
      pg_catalog.string_agg(pg_catalog.format('r.%I operator(%I.%s) t.%I', r.attname, n.nspname, o.oprname, t.attname), ' and '
        order by a.position) as equal,
      pg_catalog.string_agg(pg_catalog.format('t.%I is not null', t.attname), ' and ' order by a.position) as filled,
      (pg_catalog.array_agg(r.attname order by a.position))[1] as first
    from unnest(k.conkey, k.confkey, k.conpfeqop) with ordinality as a (own, referenced, operator, position)
    join pg_catalog.pg_attribute as t on t.attrelid = k.conrelid and t.attnum = a.own
    join pg_catalog.pg_attribute as r on r.attrelid = k.confrelid and r.attnum = a.referenced
    join pg_catalog.pg_operator as o on o.oid = a.operator
    join pg_catalog.pg_namespace as n on n.oid = o.oprnamespace
  ) as columns
  where k.oid = any ($1) and k.contype = 'f' and k.convalidated and k.conparentid = 0
    and c.relkind in ('r', 'p') and p.relkind in ('r', 'p')
    and (k.conrelid not in (select pg_catalog.unnest($2::oid[])) or k.confrelid not in (select pg_catalog.unnest($2::oid[])))
    -- the key of a period has other operators
    and not coalesce((pg_catalog.to_jsonb(k) ->> 'conperiod')::boolean, false)
  order by i.identity`;

/**
 * Refuses foreign keys that count as valid although a row violates them, which happens when rows are written while
 * triggers are disabled: they could not be restored. Reads all rows, and locks nothing against others.
 *
 * @throws UndropError `not-reproducible`
 */
export async function refuseBrokenKeys(session: Session, closure: Closure): Promise<void> {
  const keys = await session.read<Key>(keysSql, [
    [...membersIn(closure, 'pg_constraint').keys()],
    [...membersIn(closure, 'pg_class').keys()],
  ]);
  for (const { name, table, sql } of keys) {
    const broken = await session
      .attempt(() => session.read(sql))
      .catch((error: unknown) => {
        // Adding the key does not need this privilege.
        if (sqlState(error) === '42501') return [];
        throw error;
      });
    if (broken.length === 0) continue;
    throw new UndropError('not-reproducible', {
      subject: name,
      message: `The foreign key ${name} could not be recreated.`,
      reason: `Rows of ${table} reference rows that do not exist.`,
      next: 'Nothing was changed. Delete or correct these rows, or remove the table from the migration.',
    });
  }
}
