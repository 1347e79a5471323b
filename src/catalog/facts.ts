import { UndropError } from '../errors.ts';
import type { Session } from '../session.ts';
import type { Closure, Host } from './closure.ts';
import { identitySql } from './identity.ts';
import { accessLists, attnumArrays, expressions, noise, overrides, type Rows, rows } from './normal.ts';

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
  if (closure.members.length === 0) return { own: [], hosts: [] };
  const own = await session.read<Fact>(
    await factsSql(session, rows, catalogsOf(closure)),
    parameters(closure),
  );
  const sequences = await readSequenceStates(session, closure);
  return { own: [...own, ...sequences], hosts: await readHostFacts(session, closure.hosts) };
}

/** The facts of relations that stay, by their OIDs. */
export async function readHostFacts(session: Session, hosts: readonly Host[]): Promise<Fact[]> {
  if (hosts.length === 0) return [];
  return session.read<Fact>(await factsSql(session, hostRows), [hosts.map((host) => host.oid)]);
}

const { pg_class, pg_attribute, pg_partitioned_table } = rows;
const hostRows = { pg_class, pg_attribute, pg_partitioned_table };

/** Those that can have rows about the closure: the query over all of them takes long to plan. */
function catalogsOf({ members }: Closure): (catalog: string) => boolean {
  const there = new Set(members.map(({ catalog }) => catalog));
  const specs: Specs = rows;
  return (catalog) => {
    const of = specs[catalog]?.of;
    return of === undefined || there.has(of);
  };
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

async function factsSql(
  session: Session,
  specs: Specs,
  isWanted: (catalog: string) => boolean = () => true,
): Promise<string> {
  const all = await normalRows(session, specs, oneByOne);
  const selects = all.filter(({ catalog }) => isWanted(catalog)).map(factsOf);
  return /* sql */ `
    select f.catalog, f.identity,
      (select pg_catalog.jsonb_object_agg(e.key, e.value order by e.key)
       from pg_catalog.jsonb_each_text(f.row) as e) as columns
    from (${selects.join('\nunion all\n')}) as f
    order by f.catalog, f.identity, f.row::text`;
}

function factsOf({ catalog, identity, leftOut, columns, from }: NormalRows): string {
  const replaced = columns.filter(({ plain }) => !plain);
  const pairs = replaced.map(({ name, sql }) => `'${name}', ${sql}`);
  const keys = [...leftOut, ...replaced.map(({ name }) => name)].map((name) => `'${name}'`).join(', ');
  return /* sql */ `
    select '${catalog}' as catalog, ${identity} as identity,
      (pg_catalog.to_jsonb(t) - array[${keys}]::text[]) || pg_catalog.jsonb_build_object(${pairs.join(',\n')}) as row
    from ${from}`;
}

type Specs = Readonly<Record<string, Rows>>;

interface Pointer extends CatalogColumn {
  target: string;
}

/** How values are brought into their normal form that take another look into the catalogs. */
export interface Notation {
  /** The name of what an OID points to, and a join that it needs. */
  pointer(column: Pointer): { sql: string; join?: string };
  /** Text of an expression tree, by the function that prints it. */
  expression(column: CatalogColumn, sql: string): string;
}

const oneByOne: Notation = {
  pointer: (column) => ({ sql: pointerSql(column, `t.${column.column}`) }),
  expression: (_, sql) => sql,
};

/** How to select the rows of a catalog, `t`, in their normal form. */
export interface NormalRows {
  readonly catalog: string;
  readonly identity: string;
  readonly leftOut: readonly string[];
  /** The other columns; plain ones have their normal form already. */
  readonly columns: readonly { name: string; sql: string; plain: boolean }[];
  /** What comes after FROM, conditions included. */
  readonly from: string;
}

/**
 * The rows that the specs ask for, as far as the server has these catalogs.
 *
 * @throws UndropError `unsupported-server` where a catalog has an expression column that nothing is known of
 */
export async function normalRows(session: Session, specs: Specs, notation: Notation): Promise<NormalRows[]> {
  const catalogs = await describeCatalogs(session, Object.keys(specs));
  return Object.entries(specs).flatMap(([catalog, spec]) => {
    const all = catalogs.get(catalog);
    if (all === undefined) return [];
    const leftOut = ['oid', ...(noise[catalog] ?? []), ...(spec.leftOut ?? [])];
    const values = all
      .filter(({ column }) => !leftOut.includes(column))
      .map((column) => {
        const sql = spec.values?.[column.column];
        return { name: column.column, ...(sql === undefined ? valueSql(column, notation) : { sql }) };
      });
    const columns = values.map(({ name, sql }) => ({
      name,
      sql: sql ?? `t.${name}`,
      plain: sql === undefined,
    }));
    const joins = [spec.join, ...values.map(({ join }) => join)].filter((join) => join !== undefined);
    const from = [`pg_catalog.${catalog} as t`, ...joins, `where ${spec.where}`].join('\n');
    return [{ catalog, identity: spec.identity, leftOut, columns, from }];
  });
}

/** The normal form of one column; none where it has that already. */
function valueSql(column: CatalogColumn, notation: Notation): { sql?: string; join?: string } {
  const { catalog, type, target, isArray, relation } = column;
  const name = `${catalog}.${column.column}`;
  const override = overrides[name] ?? accessLists[name];
  if (override !== undefined) return { sql: override };
  const expression = expressions[name];
  if (expression !== undefined) return { sql: notation.expression(column, expression) };
  const numbersOf = relation ?? attnumArrays[name];
  if (numbersOf !== undefined) {
    return { sql: columnNames(`t.${column.column}`, `t.${numbersOf}`, isArray || type !== 'smallint') };
  }
  return target === null ? {} : notation.pointer({ ...column, target });
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
