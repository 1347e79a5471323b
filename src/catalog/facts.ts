import type { Session } from '../session.ts';
import type { Closure, Host } from './closure.ts';
import { type Address, identitySql } from './identity.ts';
import { rows } from './normal.ts';
import { type NormalRows, type Notation, normalRows, type Specs } from './normal-rows.ts';

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
  const own = await select(session, rows, catalogsOf(closure), parameters(closure));
  const sequences = await readSequenceStates(session, closure);
  return { own: [...own, ...sequences], hosts: await readHostFacts(session, closure.hosts) };
}

/** The facts of relations that stay, by their OIDs. */
export async function readHostFacts(session: Session, hosts: readonly Host[]): Promise<Fact[]> {
  if (hosts.length === 0) return [];
  return select(session, hostRows, () => true, [hosts.map((host) => host.oid)]);
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

/** A catalog row, with the addresses of objects where the fact has their names. */
interface Addressed {
  readonly catalog: string;
  readonly identity: string;
  readonly columns: Readonly<Record<string, string | null>>;
  readonly pointers: Readonly<Record<string, string | readonly string[] | null>>;
}

async function select(
  session: Session,
  specs: Specs,
  isWanted: (catalog: string) => boolean,
  values: readonly unknown[],
): Promise<Fact[]> {
  const all = await normalRows(session, specs, addressed);
  const selects = all.filter(({ catalog }) => isWanted(catalog)).map(addressedRows);
  const found = await session.read<Addressed>(selects.join('\nunion all\n'), values);
  return nameAll(session, found);
}

function addressedRows({ catalog, identity, leftOut, columns, from }: NormalRows): string {
  const pairs = (wanted: NormalRows['columns']) =>
    wanted.map(({ name, sql }) => `'${name}', ${sql}`).join(',\n');
  const pointers = columns.filter(({ isPointer }) => isPointer);
  const replaced = columns.filter(({ isPointer, plain }) => !isPointer && !plain);
  const keys = [...leftOut, ...[...pointers, ...replaced].map(({ name }) => name)].map((name) => `'${name}'`);
  return /* sql */ `
    select '${catalog}' as catalog, ${identity} as identity,
      (select pg_catalog.jsonb_object_agg(e.key, e.value)
       from pg_catalog.jsonb_each_text(
         (pg_catalog.to_jsonb(t) - array[${keys.join(', ')}]::text[]) || pg_catalog.jsonb_build_object(${pairs(replaced)})
       ) as e) as columns,
      pg_catalog.jsonb_build_object(${pairs(pointers)}) as pointers
    from ${from}`;
}

const namesSql = /* sql */ `
  select a.address, ${identitySql('a.classid', 'a.objid', 'a.objsubid')} as name
  from unnest($1::text[], $2::oid[], $3::oid[], $4::int[]) as a (address, classid, objid, objsubid)`;

/** Puts names in place of addresses. There are few objects and many that point to them: each is asked for once. */
async function nameAll(session: Session, found: readonly Addressed[]): Promise<Fact[]> {
  const wanted = new Set(
    found.flatMap(({ identity, pointers }) => [
      identity,
      ...Object.values(pointers).flatMap((one) => one ?? []),
    ]),
  );
  const parts = [...wanted].map((address) => [address, ...address.split('/')]);
  const columnOf = (place: number) => parts.map((part) => part[place]);
  const named = await session.read<{ address: string; name: string | null }>(
    namesSql,
    [0, 1, 2, 3].map(columnOf),
  );
  const names = new Map(named.map(({ address, name }) => [address, name]));
  const nameOf = (address: string) => names.get(address) ?? null;
  return found
    .map(({ catalog, identity, columns, pointers }) => {
      const replaced = Object.entries(pointers).map(([column, value]): [string, string | null] => [
        column,
        value === null || typeof value === 'string' ? value && nameOf(value) : listOf(value.map(nameOf)),
      ]);
      return {
        catalog,
        identity: nameOf(identity) ?? '',
        columns: { ...columns, ...Object.fromEntries(replaced) },
      };
    })
    .sort((a, b) => compareText(a.catalog, b.catalog) || compareText(a.identity, b.identity));
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

/** Addresses, for which `nameAll` puts the names. */
const addressed: Notation = {
  name: addressSql,
  pointer: ({ column, target, isArray }) => {
    const classid = `'pg_catalog.${target}'::pg_catalog.regclass`;
    if (!isArray) return { sql: addressSql([classid, `t.${column}`, '0']) };
    return {
      sql: /* sql */ `(
        select pg_catalog.jsonb_agg(pg_catalog.concat(${classid}::oid, '/', u.oid, '/0') order by u.position)
        from pg_catalog.unnest(t.${column}::oid[]) with ordinality as u (oid, position))`,
    };
  },
  expression: (_, sql) => sql,
};

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
  const names = closure.members.filter(({ kind }) => kind === 'sequence').map(({ identity }) => identity);
  const facts: Fact[] = [];
  for (let start = 0; start < names.length; start += atOnce) {
    const selects = names.slice(start, start + atOnce).map(
      (name, index) => /* sql */ `
        select ${start + index} as place, s.last_value::text, s.is_called::text from ${name} as s`,
    );
    const states = await session.read<{ place: number; last_value: string; is_called: string }>(
      `${selects.join('\nunion all')}\norder by place`,
    );
    for (const { place, ...state } of states)
      facts.push({ catalog: sequenceState, identity: `sequence ${names[place]}`, columns: state });
  }
  return facts;
}

const atOnce = 200;

/** The catalog under which the facts list sequence states. */
export const sequenceState = 'sequence state';
