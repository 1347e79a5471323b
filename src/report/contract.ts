import { type Closure, dependents, type Edge, type Member, type ObjectKey } from '../catalog/closure.ts';
import { groupBy } from '../text/group-by.ts';

/** The number of objects of one kind. */
export interface Kind {
  readonly kind: string;
  readonly count: number;
}

/** A dependent object, as PostgreSQL names it. */
export interface Other {
  readonly kind: string;
  readonly identity: string;
}

/** `from` depends on `to`. Both are names: of a table, or such as `view public.v`. */
export interface Need {
  readonly from: string;
  readonly to: string;
}

// The kinds that are counted, in this order. Constraints, defaults and types are not counted.
const counted: Readonly<Record<string, string>> = {
  table: 'partition',
  index: 'index',
  sequence: 'sequence',
  trigger: 'trigger',
  policy: 'policy',
  rule: 'rule',
  'statistics object': 'statistics object',
};

/**
 * Contracts a closure: the own objects of a table become part of the table. Returns the own objects of each table, the
 * dependent objects by name, and the dependencies.
 *
 * @param tables the names of tables by OID
 * @param keys the names of dependent foreign keys, which are left out
 */
export function contract(
  closure: Closure,
  edges: readonly Edge[],
  tables: ReadonlyMap<number, string>,
  keys: ReadonlySet<string>,
): { own: Map<string, Kind[]>; others: Map<string, Other>; needs: Need[] } {
  const byKey = new Map(closure.members.map((member) => [member.key, member]));
  const owners = findOwners(closure, edges, tables, byKey);
  const others = dependents(closure).filter(
    ({ kind, identity }) => kind !== 'table constraint' || !keys.has(identity),
  );
  const names = new Map(others.map(({ key, kind, identity }) => [key, `${kind} ${identity}`]));
  const nameOf = (key: ObjectKey): string | undefined => {
    for (let at: ObjectKey | null = key; at !== null; at = byKey.get(at)?.partOf ?? null) {
      const name = names.get(at) ?? owners.get(at);
      if (name !== undefined) return name;
    }
    return undefined;
  };
  const byName = new Map(others.map(({ kind, identity }) => [`${kind} ${identity}`, { kind, identity }]));
  const needs = new Map<string, Need>();
  for (const edge of edges) {
    const [from, to] = [nameOf(edge.from), nameOf(edge.to)];
    if (from !== undefined && to !== undefined && from !== to && byName.has(from))
      needs.set(JSON.stringify([from, to]), { from, to });
  }
  return { own: countOwn(closure.members, owners), others: byName, needs: [...needs.values()] };
}

/** Maps each own object of a table to the name of the table. */
function findOwners(
  { tables: named, members }: Closure,
  edges: readonly Edge[],
  tables: ReadonlyMap<number, string>,
  byKey: ReadonlyMap<ObjectKey, Member>,
): Map<ObjectKey, string> {
  const dependents = groupBy(edges, ({ to }) => to);
  const owners = new Map<ObjectKey, string>();
  const oids = new Set(named);
  const roots = members.filter(
    ({ catalog, objid, objsubid }) => catalog === 'pg_class' && objsubid === 0 && oids.has(objid),
  );
  for (const root of roots) owners.set(root.key, tables.get(root.objid) ?? root.identity);
  for (const root of roots) {
    const name = owners.get(root.key) ?? '';
    const open = [root.key];
    for (let key = open.pop(); key !== undefined; key = open.pop()) {
      for (const { from } of dependents.get(key) ?? []) {
        if (owners.has(from) || byKey.get(from)?.own !== true) continue;
        owners.set(from, name);
        open.push(from);
      }
    }
  }
  return owners;
}

function countOwn(members: readonly Member[], owners: ReadonlyMap<ObjectKey, string>): Map<string, Kind[]> {
  const counts = new Map<string, Map<string, number>>();
  for (const { key, kind, schema, partOf, identity } of members) {
    const table = owners.get(key);
    const word = counted[kind];
    // The index of a key constraint is counted, although it is part of the constraint. Triggers of a foreign key are not.
    const isPart = schema === 'pg_toast' || (partOf !== null && kind !== 'index') || identity === table;
    if (table === undefined || word === undefined || isPart) continue;
    const kinds = counts.get(table) ?? new Map<string, number>();
    counts.set(table, kinds.set(word, (kinds.get(word) ?? 0) + 1));
  }
  return new Map([...counts].map(([table, kinds]) => [table, inOrder(kinds)]));
}

function inOrder(kinds: ReadonlyMap<string, number>): Kind[] {
  return Object.values(counted).flatMap((kind) => {
    const count = kinds.get(kind) ?? 0;
    return count === 0 ? [] : { kind, count };
  });
}

/** Returns the objects that depend on a table: direct dependents first, then their dependents. */
export function reach(table: string, dependents: ReadonlyMap<string, readonly Need[]>): string[] {
  const reached = new Set([table]);
  for (const name of reached) for (const { from } of dependents.get(name) ?? []) reached.add(from);
  reached.delete(table);
  return [...reached];
}
