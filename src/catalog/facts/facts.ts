import type { Session } from '../../session/session.ts';
import type { Closure, Member, Survivor } from '../closure.ts';
import { type Address, withoutMadeUpNumber } from '../identity.ts';
import { readSequenceStates } from '../sequence-states.ts';
import { rows } from './normal.ts';
import {
  currentFacts,
  type FactsVersion,
  type NormalColumn,
  type NormalRows,
  type Notation,
  normalRows,
  type Specs,
} from './normal-rows.ts';
import { resolvedSql } from './resolved.ts';

/** One catalog row, with OIDs and column numbers replaced by names and physical columns left out. */
export interface Fact {
  readonly catalog: string;
  /** The object that the row describes, as `pg_identify_object` names it. */
  readonly identity: string;
  /** Column → value, all of them as text. */
  readonly columns: Readonly<Record<string, string | null>>;
}

/** The facts of a closure, and of its survivors: tables that survive but lose something. */
export interface Facts {
  readonly own: readonly Fact[];
  readonly survivors: readonly Fact[];
}

/**
 * Reads the catalog rows of everything in the closure. Knows catalogs, but no kinds of object: a feature that
 * the writers of DDL forget, or that a later server adds, shows up here as a difference.
 *
 * @throws UndropError `unsupported-server` where a catalog has an expression column that nothing is known of
 */
export async function readFacts(session: Session, closure: Closure): Promise<Facts> {
  const [own, survivors] = await session.together([
    readOwnFacts(session, closure),
    readSurvivorFacts(session, closure.survivors),
  ]);
  return { own, survivors };
}

/** The facts of the closure alone, as a version of this package writes them. */
export async function readOwnFacts(
  session: Session,
  closure: Closure,
  version?: FactsVersion,
): Promise<Fact[]> {
  const own: Fact[] = [];
  await takeOwnFacts(session, closure, (facts) => own.push(...facts), version);
  return own.sort(inOrder);
}

/** The same, of the closure alone, some after the other and in no order: of very many all at once would fill the memory. */
export async function takeOwnFacts(
  session: Session,
  closure: Closure,
  take: (facts: readonly Fact[]) => void,
  version: FactsVersion = currentFacts,
): Promise<void> {
  const wanted = catalogsOf(closure);
  const left = batches(closure).values();
  const takeRows = async () => {
    for (const members of left) {
      const query = await queryOver(session, wanted, version);
      take(await select(session, query, parameters(members), namesOf(members)));
    }
  };
  // Two, so that the server reads some while others are named here.
  await session.together([takeRows(), takeRows(), sequenceFacts(session, closure).then(take)]);
}

const membersAtOnce = 150;

/** The members that have facts. */
function batches(closure: Closure): Member[][] {
  // Whether a table has a TOAST table depends on the columns that it once had.
  const members = closure.members.filter((member) => member.objsubid === 0 && member.schema !== 'pg_toast');
  const count = Math.ceil(members.length / membersAtOnce);
  return Array.from({ length: count }, (_, index) =>
    members.slice(index * membersAtOnce, (index + 1) * membersAtOnce),
  );
}

/** The facts of relations that stay, by their OIDs. */
export async function readSurvivorFacts(session: Session, survivors: readonly Survivor[]): Promise<Fact[]> {
  if (survivors.length === 0) return [];
  // A step behind the closure's own, so that the server reads these while those are looked at.
  await new Promise((done) => setImmediate(done));
  const query = await queryOver(session, survivorRows, 2);
  return (await select(session, query, [survivors.map((survivor) => survivor.oid)])).sort(inOrder);
}

const survivorRows = [
  'pg_class',
  'pg_attribute',
  'pg_partitioned_table',
] as const satisfies (keyof typeof rows)[];

/** Those that can have rows about the closure: the query over all of them takes long to plan. */
function catalogsOf({ members }: Closure): string[] {
  const there = new Set(members.map(({ catalog }) => catalog));
  const specs: Specs = rows;
  return Object.entries(specs).flatMap(([catalog, { of }]) =>
    of === undefined || there.has(of) ? [catalog] : [],
  );
}

/** A catalog row: its object, and its columns in their order, with the addresses of objects in place of names. */
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

// To put one together takes a quarter of the time that the server needs for it.
const queries = new Map<string, Query>();

async function queryOver(session: Session, wanted: readonly string[], version: FactsVersion): Promise<Query> {
  const key = [session.server.version, version, ...wanted].join(' ');
  const known = queries.get(key);
  if (known !== undefined) return known;
  const all = await normalRows(session, rows, addressed, version);
  const catalogs = all.filter(({ catalog }) => wanted.includes(catalog));
  const query = { catalogs, sql: catalogs.map(addressedRows).join('\nunion all\n') };
  queries.set(key, query);
  return query;
}

// The names of the columns stand here and not in every row, and most values need no more than their cast: to make
// JSON of each row takes several times as long.
function addressedRows({ identity, columns, from }: NormalRows, place: number): string {
  return /* sql */ `
    select ${place} as place, ${identity} as identity, array[${columns.map(textOf).join(',\n')}]::text[] as values
    from ${from}`;
}

/** A value as `jsonb` has it, without the quotes around a text. */
function textOf({ sql, plain }: NormalColumn): string {
  return plain === undefined || castable.has(plain)
    ? `(${sql})::text`
    : `pg_catalog.to_jsonb(${sql}) #>> '{}'`;
}

const castable = new Set([
  'boolean',
  'name',
  'text',
  '"char"',
  'smallint',
  'integer',
  'bigint',
  'oid',
  'xid',
]);

const namesSql = /* sql */ `
  select a.address, i.type || ' ' || i.identity as name
  from unnest($1::text[], $2::oid[], $3::oid[], $4::int[]) as a (address, classid, objid, objsubid)
  cross join lateral pg_catalog.pg_identify_object(a.classid, a.objid, a.objsubid) as i
  where i.identity is not null`;

/** Puts names in place of addresses. There are few objects and many that point to them: each is asked for once. */
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
    return column.pointer === 'one' ? (all[0] ?? null) : listOf(all);
  };
  // In the order in which facts are compared, and written over by each row: new ones would be most of the garbage.
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

/** Names that the closure has brought along, by their addresses. */
function namesOf(members: readonly Member[]): Map<string, string> {
  return new Map(
    members.map(({ key, kind, identity }) => [`${key}/0`, withoutMadeUpNumber(`${kind} ${identity}`)]),
  );
}

// An OID of 0 says that there is none.
const nothing = '/0/0';

/** Into one catalog, the OIDs are enough. */
function addressesIn(column: NormalColumn | undefined, value: string | null | undefined): string[] {
  const parts = value?.split(' ') ?? [];
  const { target } = column ?? {};
  return target == null ? parts : parts.map((oid) => `${target}/${oid}/0`);
}

function inOrder(a: Fact, b: Fact): number {
  return compareText(a.catalog, b.catalog) || compareText(a.identity, b.identity);
}

/** As `jsonb` is printed. */
function listOf(names: readonly (string | null)[]): string {
  return `[${names.map((name) => JSON.stringify(name)).join(', ')}]`;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const addressSql = ([classid, objid, objsubid]: Address) => /* sql */ `
  case when ${objid}::oid <> 0 then pg_catalog.concat(${classid}::oid, '/', ${objid}::oid, '/', ${objsubid}) end`;

/** Addresses or, into one catalog, OIDs, several of them with spaces between, for which `nameAll` puts the names. */
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
  resolved: (tree) =>
    resolvedSql(tree, (classid, objid) => `pg_catalog.concat(${classid}, '/', ${objid}, '/0')`, `' '`),
};

/** `$1` members of pg_class, `$2` and `$3` all members, one class and one object each. */
function parameters(members: readonly Member[]): unknown[] {
  return [
    members.filter((member) => member.catalog === 'pg_class').map((member) => member.objid),
    members.map((member) => member.classid),
    members.map((member) => member.objid),
  ];
}

async function sequenceFacts(session: Session, closure: Closure): Promise<Fact[]> {
  const names = closure.members.filter(({ kind }) => kind === 'sequence').map(({ identity }) => identity);
  const states = await readSequenceStates(session, names);
  return states.map(({ value, called }, index) => ({
    catalog: sequenceState,
    identity: `sequence ${names[index]}`,
    columns: { last_value: value, is_called: String(called) },
  }));
}

/** The catalog under which the facts list sequence states. */
export const sequenceState = 'sequence state';
