import type { Session } from '../../session/session.ts';
import type { Closure, Member, Survivor } from '../closure.ts';
import { withoutCopies } from '../copied-facts.ts';
import { type Address, withoutMadeUpNumber } from '../identity.ts';
import { textOf } from './column-text.ts';
import { rows } from './normal.ts';
import {
  currentFacts,
  type FactsVersion,
  isResolved,
  type NormalColumn,
  type NormalRows,
  type Notation,
  normalRows,
  type Specs,
} from './normal-rows.ts';
import { objectsIn } from './resolved.ts';
import { sequenceFacts } from './sequence-facts.ts';

/** A catalog row with names instead of OIDs and column numbers, and without columns about physical storage. */
export interface Fact {
  readonly catalog: string;
  /** The object that the row describes, as `pg_identify_object` names it. */
  readonly identity: string;
  /** Values by column, as text. */
  readonly columns: Readonly<Record<string, string | null>>;
}

/** The facts of a closure and of its survivors, the tables that stay but lose something. */
export interface Facts {
  readonly own: readonly Fact[];
  readonly survivors: readonly Fact[];
}

/**
 * Reads the catalog rows of all objects in the closure. It is generic over catalogs and does not depend on object
 * types: a feature that the captured DDL omits, or that a later server adds, appears here as a difference.
 *
 * @throws UndropError `unsupported-server` if a catalog has an unknown expression column
 */
export async function readFacts(session: Session, closure: Closure): Promise<Facts> {
  const [own, survivors] = await session.together([
    readOwnFacts(session, closure),
    readSurvivorFacts(session, closure.survivors),
  ]);
  return { own, survivors };
}

/** Reads the facts of the closure without its survivors, in the format of the given version. */
export async function readOwnFacts(
  session: Session,
  closure: Closure,
  version?: FactsVersion,
): Promise<Fact[]> {
  const own: Fact[] = [];
  await takeOwnFacts(session, closure, (facts) => own.push(...facts), version);
  return own.sort(inOrder);
}

/** Reads the same facts in batches and in no order: all facts of a large closure at once would need too much memory. */
export async function takeOwnFacts(
  session: Session,
  closure: Closure,
  take: (facts: readonly Fact[]) => void,
  version: FactsVersion = currentFacts,
): Promise<void> {
  await session.together([
    ...takeCatalogFacts(session, closure, take, version),
    sequenceFacts(session, closure).then(take),
  ]);
}

/** Reads the facts of a closure without the states of its sequences, which change whenever the database is used. */
export async function readCatalogFacts(session: Session, closure: Closure): Promise<Fact[]> {
  const own: Fact[] = [];
  await session.together(takeCatalogFacts(session, closure, (facts) => own.push(...facts), currentFacts));
  return own.sort(inOrder);
}

// Two at a time, so that the server reads one batch while another is named here.
function takeCatalogFacts(
  session: Session,
  closure: Closure,
  take: (facts: readonly Fact[]) => void,
  version: FactsVersion,
): Promise<void>[] {
  const wanted = catalogsOf(closure);
  const queue = batches(closure).values();
  const takeRows = async () => {
    for (const members of queue) {
      const query = await queryOver(session, rows, wanted, version);
      const facts = await select(session, query, parameters(members), namesOf(members));
      take(version < 3 ? facts : facts.map(withoutCopies));
    }
  };
  return [takeRows(), takeRows()];
}

const membersAtOnce = 150;

/** Returns the members that have facts, in batches. */
function batches(closure: Closure): Member[][] {
  // A table may have a TOAST table only because of a column that was dropped.
  const members = closure.members.filter((member) => member.objsubid === 0 && member.schema !== 'pg_toast');
  const count = Math.ceil(members.length / membersAtOnce);
  return Array.from({ length: count }, (_, index) =>
    members.slice(index * membersAtOnce, (index + 1) * membersAtOnce),
  );
}

/** Reads the facts of survivors. */
export async function readSurvivorFacts(session: Session, survivors: readonly Survivor[]): Promise<Fact[]> {
  if (survivors.length === 0) return [];
  // Starts after the query for the closure itself, so that the server reads these facts while those are processed here.
  await new Promise((done) => setImmediate(done));
  const query = await queryOver(session, survivorRows, Object.keys(survivorRows), 2);
  return (await select(session, query, [survivors.map((survivor) => survivor.oid)])).sort(inOrder);
}

const survivorRows: Specs = {
  pg_class: rows.pg_class,
  pg_attribute: rows.pg_attribute,
  pg_partitioned_table: rows.pg_partitioned_table,
  pg_description: {
    ...rows.pg_description,
    where: `t.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and t.objoid = any ($1::oid[])`,
  },
};

/** Returns the catalogs that can contain rows about the closure. A query over all catalogs takes long to plan. */
function catalogsOf({ members }: Closure): string[] {
  const present = new Set(members.map(({ catalog }) => catalog));
  const specs: Specs = rows;
  return Object.entries(specs).flatMap(([catalog, { of }]) =>
    of === undefined || present.has(of) ? [catalog] : [],
  );
}

/** A catalog row: its object and the values of its columns in order, with addresses of objects instead of names. */
interface Addressed {
  readonly place: number;
  readonly identity: string;
  readonly values: readonly (string | null)[];
}

async function select(
  session: Session,
  { catalogs, sql }: Query,
  values: readonly unknown[],
  known: ReadonlyMap<string, string> = new Map(),
): Promise<Fact[]> {
  return nameAll(session, catalogs, await session.read<Addressed>(sql, values), known);
}

interface Query {
  readonly catalogs: readonly NormalRows[];
  readonly sql: string;
}

// Queries are cached: building one takes a quarter of the time that the server needs to run it.
const queries = new Map<string, Query>();

async function queryOver(
  session: Session,
  specs: Specs,
  wanted: readonly string[],
  version: FactsVersion,
): Promise<Query> {
  const key = [session.server.version, version, ...wanted].join(' ');
  const known = queries.get(key);
  if (known !== undefined) return known;
  const all = await normalRows(session, specs, addressed, version);
  const catalogs = all.filter(({ catalog }) => wanted.includes(catalog));
  const query = { catalogs, sql: catalogs.map(addressedRows).join('\nunion all\n') };
  queries.set(key, query);
  return query;
}

// Rows are arrays of values, without the names of columns: building JSON for each row takes several times as long.
function addressedRows({ identity, columns, from }: NormalRows, place: number): string {
  return /* sql */ `
    select ${place} as place, ${identity} as identity, array[${columns.map(textOf).join(',\n')}]::text[] as values
    from ${from}`;
}

const namesSql = /* sql */ `
  select a.address, i.type || ' ' || i.identity as name
  from unnest($1::text[], $2::pg_catalog.regclass[], $3::oid[], $4::int[]) as a (address, classid, objid, objsubid)
  cross join lateral pg_catalog.pg_identify_object(a.classid, a.objid, a.objsubid) as i
  where i.identity is not null`;

/** Replaces addresses by names. Many rows refer to few objects, so each name is read once. */
async function nameAll(
  session: Session,
  catalogs: readonly NormalRows[],
  found: readonly Addressed[],
  known: ReadonlyMap<string, string>,
): Promise<Fact[]> {
  const pointers = catalogs.map(({ columns }) =>
    columns.flatMap(({ pointer }, index) => (pointer === undefined ? [] : [index])),
  );
  const wanted = new Set<string>();
  for (const { place, identity, values } of found) {
    wanted.add(identity);
    for (const index of pointers[place] ?? [])
      for (const address of addressesIn(catalogs[place]?.columns[index], values[index])) wanted.add(address);
  }
  const parts = [...wanted]
    .filter((address) => !known.has(address) && !address.endsWith(nothing))
    .map((address) => [address, ...address.split('/')]);
  const columnOf = (place: number) => parts.map((part) => part[place]);
  const read = await session.read<{ address: string; name: string }>(namesSql, [0, 1, 2, 3].map(columnOf));
  const names = new Map(read.map(({ address, name }) => [address, withoutMadeUpNumber(name)]));
  const nameOf = (address: string) => known.get(address) ?? names.get(address) ?? null;
  const named = (column: NormalColumn, value: string | null) => {
    if (column.pointer === undefined || value === null) return value;
    const all = addressesIn(column, value).map(nameOf);
    if (column.pointer === 'one') return all[0] ?? null;
    return all.length === 0 && isResolved(column.name) ? null : listOf(all);
  };
  // The pairs of name and value are sorted in comparison order, and reused for each row to reduce garbage collection.
  const filled = catalogs.map(({ columns }) =>
    columns
      .map((column, index) => ({ column, index, pair: [column.name, null] as [string, string | null] }))
      .sort((a, b) => compareText(a.column.name, b.column.name)),
  );
  return found.map(({ place, identity, values }) => {
    const pairs = (filled[place] ?? []).map(({ column, index, pair }) => {
      pair[1] = named(column, values[index] ?? null);
      return pair;
    });
    const catalog = catalogs[place]?.catalog ?? '';
    return { catalog, identity: nameOf(identity) ?? '', columns: Object.fromEntries(pairs) };
  });
}

/** Returns the names of the members by their addresses. */
function namesOf(members: readonly Member[]): Map<string, string> {
  return new Map(
    members.map(({ key, kind, identity }) => [`${key}/0`, withoutMadeUpNumber(`${kind} ${identity}`)]),
  );
}

// The end of an address with OID 0, which means no object.
const nothing = '/0/0';

/** Returns the addresses in a value. If a column refers to one catalog, its values are OIDs. */
function addressesIn(column: NormalColumn | undefined, value: string | null | undefined): string[] {
  if (column !== undefined && isResolved(column.name))
    return objectsIn(value ?? '').map(({ catalog, oid }) => `pg_catalog.${catalog}/${oid}/0`);
  const parts = value?.split(' ') ?? [];
  const { target } = column ?? {};
  return target == null ? parts : parts.map((oid) => `${target}/${oid}/0`);
}

function inOrder(a: Fact, b: Fact): number {
  return compareText(a.catalog, b.catalog) || compareText(a.identity, b.identity);
}

/** Returns a JSON array in the format of `jsonb`. */
function listOf(names: readonly (string | null)[]): string {
  return `[${names.map((name) => JSON.stringify(name)).join(', ')}]`;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const addressSql = ([classid, objid, objsubid]: Address) => /* sql */ `
  case when ${objid}::oid <> 0 then pg_catalog.concat(${classid}::oid, '/', ${objid}::oid, '/', ${objsubid}) end`;

/** Writes addresses with spaces between, OIDs for columns with one catalog, or expression trees; `nameAll` names them. */
const addressed: Notation = {
  name: addressSql,
  pointer: ({ column, isArray }) => {
    if (!isArray) return { sql: `t.${column}::oid` };
    return {
      sql: /* sql */ `(
        select pg_catalog.string_agg(u.oid::text, ' ' order by u.position)
        from pg_catalog.unnest(t.${column}::oid[]) with ordinality as u (oid, position))`,
    };
  },
  expression: (_, sql) => sql,
  // It takes the server longer to find the objects in the tree than to send the tree.
  resolved: (tree) => `${tree}::text`,
};

/** Returns the parameters: `$1` OIDs of members in pg_class; `$2`, `$3` class and object OIDs of all members. */
function parameters(members: readonly Member[]): unknown[] {
  return [
    members.filter((member) => member.catalog === 'pg_class').map((member) => member.objid),
    members.map((member) => member.classid),
    members.map((member) => member.objid),
  ];
}
