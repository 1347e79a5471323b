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

interface CatalogColumn {
  catalog: string;
  column: string;
  type: string;
  /** The catalog whose OIDs the column contains, and the OID of that catalog. */
  target: string | null;
  targetOid: number | null;
  isArray: boolean;
  /** If the column contains column numbers: the column with the OID of their relation. */
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
        message: `The catalog column ${catalog}.${column} of PostgreSQL ${session.server.version} is not supported.`,
        reason:
          'It contains expressions, and this version of knex-undrop does not know the function that prints them.',
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
 * The format of facts. Fingerprints, records and manifests contain digests of facts, and digests of version 1 are still
 * compared. Version 1 includes internal options of the server. Version 2 excludes them and was never stored. Version 3 adds
 * the objects that expressions resolve to, and excludes copies (`copied-facts.ts`).
 */
export type FactsVersion = 1 | 2 | 3;

export const earlierFacts = [2, 1] as const satisfies FactsVersion[];
export const currentFacts = 3 satisfies FactsVersion;

export type Specs = Readonly<Record<string, Rows>>;

interface Pointer extends CatalogColumn {
  target: string;
}

/** How values that refer to other catalog rows are converted into their normal form. */
export interface Notation {
  /** Returns SQL for the name of an object. */
  name(address: Address): string;
  /** Returns SQL for the name of the object with the OID in a column, and a join that it needs. */
  pointer(column: Pointer): { sql: string; join?: string };
  /** Returns SQL for the text of an expression tree. */
  expression(column: CatalogColumn, sql: string): string;
  /** Returns SQL for the names of the objects in an expression tree of a catalog, in order. */
  resolved(tree: string, catalog: string): string;
}

export interface NormalColumn {
  readonly name: string;
  readonly sql: string;
  /** The type of a column whose value is already in its normal form. */
  readonly plain?: string;
  /** If the value refers to objects in the form of the notation: whether to one or to a list. */
  readonly pointer?: 'one' | 'list';
  /** The OID of the catalog that it refers to, if it is the same in all rows. */
  readonly target?: number | null;
}

/** SQL that selects the rows of a catalog, alias `t`, in their normal form. */
export interface NormalRows {
  readonly catalog: string;
  readonly identity: string;
  /** The columns that are facts. */
  readonly columns: readonly NormalColumn[];
  /** The FROM and WHERE clauses, without the word FROM. */
  readonly from: string;
}

/**
 * Returns the queries for the rows that the specs describe. Catalogs that the server does not have are skipped.
 *
 * @throws UndropError `unsupported-server` if a catalog has an unknown expression column
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
          name: `${column}${suffix}`,
          sql: notation.resolved(`t.${column}`, catalog),
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

// What an expression resolves to is a fact beside its text.
const suffix = '.resolved';

/** Whether a column of a fact holds what an expression resolves to. */
export function isResolved(name: string): boolean {
  return name.endsWith(suffix);
}

interface Value extends Omit<NormalColumn, 'name'> {
  readonly join?: string;
}

/** Returns SQL for the normal form of a column. */
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

/** Returns SQL for the names of the objects that the value of an OID column refers to. */
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
