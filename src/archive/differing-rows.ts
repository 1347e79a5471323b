import { oidTypesSql } from '../catalog/oid-columns.ts';
import type { Session } from '../session/session.ts';

interface Column {
  /** Quoted. */
  name: string;
  type: string;
  generated: boolean;
  holdsOids: boolean;
}

const columnsSql = /* sql */ `
  select pg_catalog.quote_ident(a.attname) as name, pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
    a.attgenerated <> '' as generated, a.atttypid in ${oidTypesSql} as "holdsOids"
  from pg_catalog.pg_attribute as a
  where a.attrelid = pg_catalog.to_regclass($1) and a.attnum > 0 and not a.attisdropped
    and pg_catalog.to_regclass(nullif($2, '')) is not null
  order by a.attnum`;

// Where no object has the OID, the text of such a value is the number. While rows are rehearsed, the table that has it is in a
// schema of the archive.
const others = String.raw`(^|[{,"])([1-9]\d*($|[},"])|undrop_moved_\d+_\d+\.)`;

/**
 * Explains why restored rows differ although they were copied: which columns have other values than the copy, or print
 * otherwise, or are computed again. Empty without a copy.
 *
 * @param table qualified and quoted, as `store`, the copy in the archive, which may be gone
 */
export async function explainDifference(session: Session, table: string, store: string): Promise<string> {
  const columns = await session.read<Column>(columnsSql, [table, store]);
  if (columns.length === 0) return '';
  const kept = columns.filter(({ generated }) => !generated);
  const sums = await sumsOf(session, table, kept);
  const before = await sumsOf(session, store, kept);
  const changed = kept.filter((_, index) => sums[index] !== before[index]);
  if (changed.length > 0) return `${describe(changed)}: other values than the copy`;
  const oids = await findOthers(
    session,
    table,
    columns.filter(({ holdsOids }) => holdsOids),
  );
  const generated = columns.filter((column) => column.generated);
  return [
    ...(oids.length > 0 ? [`${describe(oids)}: names of dropped objects, which get other OIDs`] : []),
    ...(oids.length === 0 && generated.length > 0
      ? [
          `${describe(generated)}: generated, and the expression has another result than when the row was written`,
        ]
      : []),
  ].join('; ');
}

/** One number for each column, which does not depend on the order of the rows. */
async function sumsOf(session: Session, table: string, columns: readonly Column[]): Promise<string[]> {
  const sums = columns.map(
    ({ name }) =>
      `pg_catalog.sum(pg_catalog.hashtextextended(t.${name}::text collate pg_catalog."C", 0))::text`,
  );
  const [row] = await session.read<{ sums: string[] }>(
    `select array[${sums.join(', ')}]::text[] as sums from only ${table} as t`,
  );
  return row?.sums ?? [];
}

async function findOthers(session: Session, table: string, columns: readonly Column[]): Promise<Column[]> {
  if (columns.length === 0) return [];
  const tests = columns.map(({ name }) => `pg_catalog.bool_or(t.${name}::text ~ $1::text)`);
  const [row] = await session.read<{ found: (boolean | null)[] }>(
    `select array[${tests.join(', ')}] as found from only ${table} as t`,
    [others],
  );
  return columns.filter((_, index) => row?.found[index] === true);
}

function describe(columns: readonly Column[]): string {
  const list = columns.map(({ name, type }) => `${name} (${type})`).join(', ');
  return `${columns.length === 1 ? 'column' : 'columns'} ${list}`;
}
