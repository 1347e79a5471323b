import { inArchiveSql } from '../catalog/archive-schemas.ts';
import { readReach } from '../catalog/closure.ts';
import { oidTypes, oidTypesSql } from '../catalog/oid-columns.ts';
import { sqlState } from '../errors.ts';
import type { Options } from '../options/options.ts';
import type { Table } from '../options/table.ts';
import type { Session } from '../session/session.ts';

interface OidColumn {
  relation: number;
  name: string;
  type: string;
  isArray: boolean;
  values: string;
}

// Neither all columns nor all rows: this is a hint, and must not take long.
const mostColumns = 100;
const mostRows = 10_000;
const mostTime = 1000;

const columnsSql = /* sql */ `
  select c.oid::bigint as relation, pg_catalog.format('%I.%I.%I', n.nspname, c.relname, a.attname) as name,
    coalesce(e.typname, y.typname) as type, e.oid is not null as "isArray",
    pg_catalog.format('select t.%I as value from only %I.%I as t limit ${mostRows}', a.attname, n.nspname, c.relname) as values
  from (
    -- the columns of catalogs have lower OIDs
    select a.* from pg_catalog.pg_attribute as a
    where a.attrelid >= 16384 and a.attnum > 0 and not a.attisdropped and a.atttypid in ${oidTypesSql}
    offset 0
  ) as a
  join pg_catalog.pg_class as c on c.oid = a.attrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_type as y on y.oid = a.atttypid
  left join pg_catalog.pg_type as e on e.oid = y.typelem and y.typlen = -1
  where (c.relkind = 'r' or c.relkind = 'm' and c.relispopulated)
    and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
    and not ${inArchiveSql('n.nspname')}
    and pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_column_privilege(c.oid, a.attnum, 'select')
    and not pg_catalog.row_security_active(c.oid)
  order by n.nspname, c.relname, a.attnum
  limit ${mostColumns}`;

/**
 * Describes columns of other tables whose values, of types such as `regclass`, name objects that the drop removes. Reads only
 * some columns and rows. Undefined if none is found.
 */
export async function describeNamingValues(
  session: Session,
  tables: readonly Table[],
  { rows }: Pick<Options, 'rows'>,
): Promise<string | undefined> {
  const columns = await session.read<OidColumn>(columnsSql);
  if (columns.length === 0) return undefined;
  const { members } = await readReach(
    session,
    tables.map(({ oid }) => oid),
  );
  const oidsIn = (wanted: string | undefined) =>
    members.flatMap(({ catalog, objid, objsubid }) => (catalog === wanted && objsubid === 0 ? [objid] : []));
  const dropped = new Set(oidsIn('pg_class'));
  // Tables that are moved keep their OIDs.
  const isKept = (type: string) => rows === 'move' && ['regclass', 'regtype'].includes(type);
  const end = performance.now() + mostTime;
  const naming: string[] = [];
  for (const column of columns) {
    const oids = oidsIn(oidTypes[column.type]);
    const left = Math.ceil(end - performance.now());
    if (dropped.has(column.relation) || isKept(column.type) || oids.length === 0 || left <= 0) continue;
    if (await holdsAny(session, column, oids, left)) naming.push(column.name);
  }
  if (naming.length === 0) return undefined;
  return `values of ${naming.join(', ')} name objects that the drop removes; they will show OIDs, also after a restore, which creates objects with new OIDs`;
}

/** Whether some values of a column are among these OIDs. False where that cannot be read in the time that is left. */
async function holdsAny(
  session: Session,
  { isArray, values }: OidColumn,
  oids: readonly number[],
  left: number,
): Promise<boolean> {
  const end = performance.now() + left;
  const test = isArray ? 's.value::oid[] && $1::oid[]' : 's.value::oid = any ($1::oid[])';
  try {
    // Rolled back, so that no lock on the table remains.
    const rows = await session.attempt(() =>
      session.rehearse(async () => {
        await session.run(
          `set local lock_timeout = ${Math.min(left, 100)}; set local statement_timeout = ${left}`,
        );
        return session.read(`select from (${values}) as s where ${test} limit 1`, [oids]);
      }),
    );
    return rows.length > 0;
  } catch (error) {
    const isOver = sqlState(error) === '57014' && performance.now() >= end;
    if (isOver || sqlState(error) === '55P03') return false;
    throw error;
  }
}
