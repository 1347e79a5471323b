import { UndropError } from '../../errors.ts';
import type { Session } from '../../session/session.ts';
import { type Address, identitySql } from '../identity.ts';
import {
  accessLists,
  addresses,
  attnumArrays,
  expressions,
  noise,
  options,
  overrides,
  type Rows,
} from './normal.ts';
import { resolvedName } from './resolved.ts';

interface CatalogColumn {
  catalog: string;
  column: string;
  type: string;
  /** The catalog whose OIDs the column holds, and its own. */
  target: string | null;
  targetOid: number | null;
  isArray: boolean;
  /** The column that holds the relation, where this one holds numbers of its columns. */
  relation: string | null;
}

// https://www.postgresql.org/docs/current/functions-info.html (pg_get_catalog_foreign_keys)
const columnsSql = /* sql */ `
  select c.relname as catalog, a.attname as column, pg_catalog.format_type(a.atttypid, null) as type,
    coalesce(n.pktable, o.pktable)::text as target,
    coalesce(n.pktable, o.pktable)::oid::bigint as "targetOid",
    coalesce(n.is_array, o.is_array, false) as "isArray",
    n.fkcols[1] as relation
  from pg_catalog.pg_class as c
  join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_catalog.pg_get_catalog_foreign_keys() as o
    on o.fktable = c.oid and o.fkcols = array[a.attname::text] and o.pkcols = array['oid']
  left join pg_catalog.pg_get_catalog_foreign_keys() as n
    on n.fktable = c.oid and n.fkcols[2] = a.attname::text and n.pkcols = array['attrelid', 'attnum']
  where c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace and c.relname = any ($1)
  order by c.relname, a.attnum`;

type Catalogs = ReadonlyMap<string, readonly CatalogColumn[]>;
const described = new Map<string, Catalogs>();

async function describeCatalogs(session: Session, names: readonly string[]): Promise<Catalogs> {
  const key = [session.server.version, ...names].join(' ');
  const known = described.get(key);
  if (known !== undefined) return known;
  const columns = await session.read<CatalogColumn>(columnsSql, [names]);
  for (const { catalog, column, type } of columns) {
    if (type === 'pg_node_tree' && expressions[`${catalog}.${column}`] === undefined) {
      throw new UndropError('unsupported-server', {
        subject: `${catalog}.${column}`,
        message: `Nothing is known of ${catalog}.${column} of PostgreSQL ${session.server.version}.`,
        reason: 'It holds expressions, and comparing them needs the function that prints them.',
        next: 'Use a newer knex-undrop.',
      });
    }
  }
  const catalogs = new Map<string, CatalogColumn[]>();
  for (const column of columns)
    catalogs.set(column.catalog, [...(catalogs.get(column.catalog) ?? []), column]);
  described.set(key, catalogs);
  return catalogs;
}

/**
 * How facts are written. Fingerprints, records and manifests keep digests of them, and those of version 1 are still
 * compared: it holds the options that the server keeps for itself. Version 2 is the same without them, and was never
 * written; version 3 holds what expressions resolve to, too.
 */
export type FactsVersion = 1 | 2 | 3;

export const earlierFacts = [2, 1] as const satisfies FactsVersion[];
export const currentFacts = 3 satisfies FactsVersion;

export type Specs = Readonly<Record<string, Rows>>;

interface Pointer extends CatalogColumn {
  target: string;
}

/** How values are brought into their normal form that take another look into the catalogs. */
export interface Notation {
  /** The name of an object. */
  name(address: Address): string;
  /** The name of what an OID points to, and a join that it needs. */
  pointer(column: Pointer): { sql: string; join?: string };
  /** Text of an expression tree, by the function that prints it. */
  expression(column: CatalogColumn, sql: string): string;
  /** The names of the objects in an expression tree, in their order. */
  resolved(tree: string): string;
}

export interface NormalColumn {
  readonly name: string;
  readonly sql: string;
  /** The type of a column that has its normal form already. */
  readonly plain?: string;
  /** It has the form that the notation gives: one of them, or a list. */
  readonly pointer?: 'one' | 'list';
  /** The catalog that it points into, where that is one and the same in all rows. */
  readonly target?: number | null;
}

/** How to select the rows of a catalog, `t`, in their normal form. */
export interface NormalRows {
  readonly catalog: string;
  readonly identity: string;
  /** The columns that say something. */
  readonly columns: readonly NormalColumn[];
  /** What comes after FROM, conditions included. */
  readonly from: string;
}

/**
 * The rows that the specs ask for, as far as the server has these catalogs.
 *
 * @throws UndropError `unsupported-server` where a catalog has an expression column that nothing is known of
 */
export async function normalRows(
  session: Session,
  specs: Specs,
  notation: Notation,
  version: FactsVersion = currentFacts,
): Promise<NormalRows[]> {
  const catalogs = await describeCatalogs(session, Object.keys(specs));
  return Object.entries(specs).flatMap(([catalog, spec]) => {
    const all = catalogs.get(catalog);
    if (all === undefined) return [];
    const leftOut = ['oid', ...Object.keys(noise[catalog] ?? {}), ...(spec.leftOut ?? [])];
    const values = all
      .filter(({ column }) => !leftOut.includes(column))
      .map((column) => {
        const sql = spec.values?.[column.column];
        const value: Value = sql === undefined ? normalValue(column, notation, version) : { sql };
        return { name: column.column, ...value };
      });
    const resolved = version < 3 ? [] : all.filter(({ type }) => type === 'pg_node_tree');
    const columns = [
      ...values.map(({ join: _, ...column }) => column),
      ...resolved.map(
        ({ column }): NormalColumn => ({
          name: resolvedName(column),
          sql: notation.resolved(`t.${column}`),
          pointer: 'list',
        }),
      ),
    ];
    const joins = [spec.join, ...values.map(({ join }) => join)].filter((join) => join !== undefined);
    const from = [`pg_catalog.${catalog} as t`, ...joins, `where ${spec.where}`].join('\n');
    const identity = typeof spec.identity === 'string' ? spec.identity : notation.name(spec.identity);
    return [{ catalog, identity, columns, from }];
  });
}

interface Value extends Omit<NormalColumn, 'name'> {
  readonly join?: string;
}

/** The normal form of one column. */
function normalValue(column: CatalogColumn, notation: Notation, version: FactsVersion): Value {
  const { catalog, type, target, targetOid, isArray, relation } = column;
  const name = `${catalog}.${column.column}`;
  const address = addresses[name];
  if (address !== undefined) return { sql: notation.name(address), pointer: 'one' };
  const override = overrides[name] ?? accessLists[name];
  if (override !== undefined) return { sql: override };
  const filtered = version === 1 ? undefined : options[name];
  if (filtered !== undefined) return { sql: filtered, plain: type };
  const expression = expressions[name];
  if (expression !== undefined) return { sql: notation.expression(column, expression) };
  const numbersOf = relation ?? attnumArrays[name];
  if (numbersOf !== undefined) {
    return { sql: columnNames(`t.${column.column}`, `t.${numbersOf}`, isArray || type !== 'smallint') };
  }
  if (target === null) return { sql: `t.${column.column}`, plain: type };
  return { ...notation.pointer({ ...column, target }), pointer: isArray ? 'list' : 'one', target: targetOid };
}

/** The name, or names, of what the value of an OID column points to. */
export function pointerSql({ target, isArray }: Pointer, value: string): string {
  const identity = (oid: string) => identitySql(`'pg_catalog.${target}'::pg_catalog.regclass`, oid, '0');
  if (!isArray) return identity(value);
  return /* sql */ `(
    select pg_catalog.jsonb_agg(${identity('u.oid')} order by u.position)
    from pg_catalog.unnest(${value}::oid[]) with ordinality as u (oid, position))`;
}

function columnNames(numbers: string, relation: string, isArray: boolean): string {
  const nameOf = (number: string) => /* sql */ `
    coalesce((select a.attname from pg_catalog.pg_attribute as a
      where a.attrelid = ${relation} and a.attnum = ${number} and a.attnum > 0)::text, ${number}::text)`;
  if (!isArray) return nameOf(numbers);
  return /* sql */ `(
    select pg_catalog.jsonb_agg(${nameOf('u.number')} order by u.position)
    from pg_catalog.unnest(${numbers}::smallint[]) with ordinality as u (number, position))`;
}
