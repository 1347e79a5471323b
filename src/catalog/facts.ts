import { UndropError } from '../errors.ts';
import type { Session } from '../session.ts';
import type { Closure, Host } from './closure.ts';
import { identitySql } from './identity.ts';
import { accessLists, attnumArrays, expressions, noise, overrides, rows } from './normal.ts';

/** One catalog row, with OIDs and column numbers replaced by names and physical columns left out. */
export interface Fact {
  readonly catalog: string;
  /** The object that the row describes, as `pg_identify_object` names it. */
  readonly identity: string;
  /** Column → value, all of them as text. */
  readonly columns: Readonly<Record<string, string | null>>;
}

/** The facts of a closure, and of its hosts: tables that survive but lose something. */
export interface Facts {
  readonly own: readonly Fact[];
  readonly hosts: readonly Fact[];
}

/**
 * Reads the catalog rows of everything in the closure. Knows catalogs, but no kinds of object: a feature that
 * the writers of DDL forget, or that a later server adds, shows up here as a difference.
 *
 * @throws UndropError `unsupported-server` where a catalog has an expression column that nothing is known of
 */
export async function readFacts(session: Session, closure: Closure): Promise<Facts> {
  const catalogs = await describeCatalogs(session);
  const own = await session.read<Fact>(factsSql(catalogs, catalogsOf(closure)), parameters(closure));
  const sequences = await readSequenceStates(session, closure);
  return { own: [...own, ...sequences], hosts: await readHostFacts(session, closure.hosts) };
}

/** The facts of relations that stay, by their OIDs. */
export async function readHostFacts(session: Session, hosts: readonly Host[]): Promise<Fact[]> {
  if (hosts.length === 0) return [];
  const catalogs = await describeCatalogs(session);
  return session.read<Fact>(factsSql(catalogs, hostCatalogs), [hosts.map((host) => host.oid)]);
}

const hostCatalogs = ['pg_class', 'pg_attribute', 'pg_partitioned_table'];

/** Those that can have rows about the closure: the query over all of them takes long to plan. */
function catalogsOf({ members }: Closure): string[] {
  const there = new Set(members.map(({ catalog }) => catalog));
  return Object.keys(rows).filter((name) => {
    const of = rows[name]?.of;
    return of === undefined || there.has(of);
  });
}

interface CatalogColumn {
  catalog: string;
  column: string;
  type: string;
  /** The catalog whose OIDs the column holds. */
  target: string | null;
  isArray: boolean;
  /** The column that holds the relation, where this one holds numbers of its columns. */
  relation: string | null;
}

// https://www.postgresql.org/docs/current/functions-info.html (pg_get_catalog_foreign_keys)
const columnsSql = /* sql */ `
  select c.relname as catalog, a.attname as column, pg_catalog.format_type(a.atttypid, null) as type,
    coalesce(n.pktable, o.pktable)::text as target,
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

async function describeCatalogs(session: Session): Promise<Catalogs> {
  const known = described.get(session.server.version);
  if (known !== undefined) return known;
  const columns = await session.read<CatalogColumn>(columnsSql, [Object.keys(rows)]);
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
  described.set(session.server.version, catalogs);
  return catalogs;
}

function factsSql(catalogs: Catalogs, wanted: readonly string[]): string {
  const hosts = wanted === hostCatalogs;
  const selects = wanted
    .filter((name) => catalogs.has(name))
    .map((name) => catalogSql(name, catalogs.get(name) ?? [], hosts));
  return /* sql */ `
    select f.catalog, f.identity,
      (select pg_catalog.jsonb_object_agg(e.key, e.value order by e.key)
       from pg_catalog.jsonb_each_text(f.row) as e) as columns
    from (${selects.join('\nunion all\n')}) as f
    order by f.catalog, f.identity, f.row::text`;
}

function catalogSql(name: string, columns: readonly CatalogColumn[], hosts: boolean): string {
  const spec = rows[name];
  if (spec === undefined) throw new Error(`no rows are described for ${name}`);
  const replaced = new Map<string, string>();
  const removed = new Set<string>(['oid', ...(noise[name] ?? [])]);
  for (const column of columns) {
    if (removed.has(column.column)) continue;
    const sql = valueSql(column);
    if (sql !== undefined) replaced.set(column.column, sql);
  }
  const pairs = [...replaced].map(([column, sql]) => `'${column}', ${sql}`);
  const leftOut = [...removed, ...replaced.keys()].map((column) => `'${column}'`).join(', ');
  const where = hosts ? spec.where.replaceAll(/\$\d+/g, '$1') : spec.where;
  return /* sql */ `
    select '${name}' as catalog, ${spec.identity} as identity,
      (pg_catalog.to_jsonb(t) - array[${leftOut}]::text[]) || pg_catalog.jsonb_build_object(${pairs.join(',\n')}) as row
    from pg_catalog.${name} as t
    where ${where}`;
}

/** The normal form of one column; undefined where its value is one already. */
function valueSql({ catalog, column, type, target, isArray, relation }: CatalogColumn): string | undefined {
  const name = `${catalog}.${column}`;
  const override = overrides[name] ?? expressions[name] ?? accessLists[name];
  if (override !== undefined) return override;
  const numbersOf = relation ?? attnumArrays[name];
  if (numbersOf !== undefined)
    return columnNames(`t.${column}`, `t.${numbersOf}`, isArray || type !== 'smallint');
  if (target === null) return undefined;
  const identity = (oid: string) => identitySql(`'pg_catalog.${target}'::pg_catalog.regclass`, oid, '0');
  if (!isArray) return identity(`t.${column}`);
  return /* sql */ `(
    select pg_catalog.jsonb_agg(${identity('u.oid')} order by u.position)
    from pg_catalog.unnest(t.${column}::oid[]) with ordinality as u (oid, position))`;
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

/** `$1` members of pg_class, `$2` and `$3` all members, one class and one object each. */
function parameters(closure: Closure): unknown[] {
  // Whether a table has a TOAST table depends on the columns that it once had.
  const members = closure.members.filter((member) => member.objsubid === 0 && member.schema !== 'pg_toast');
  return [
    members.filter((member) => member.catalog === 'pg_class').map((member) => member.objid),
    members.map((member) => member.classid),
    members.map((member) => member.objid),
  ];
}

/** The state of a sequence is a row of its own relation and stands in no catalog. */
async function readSequenceStates(session: Session, closure: Closure): Promise<Fact[]> {
  const sequences = closure.members.filter((member) => member.kind === 'sequence');
  const facts: Fact[] = [];
  for (const { identity } of sequences) {
    const [state] = await session.read<{ last_value: string; is_called: string }>(
      `select s.last_value::text, s.is_called::text from ${identity} as s`,
    );
    if (state !== undefined) {
      facts.push({ catalog: sequenceState, identity: `sequence ${identity}`, columns: { ...state } });
    }
  }
  return facts;
}

/** The catalog under which the facts list sequence states. */
export const sequenceState = 'sequence state';
