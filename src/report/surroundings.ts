import type { Graph, Reference, Subject } from './graph.ts';
import { describeOwn } from './words.ts';

export interface Node {
  readonly id: string;
  readonly name: string;
  /** Short text below the name. */
  readonly note: string;
  /** `along`: a dependent object, which would be dropped too; `more`: stands for several objects. */
  readonly fate: Subject['fate'] | 'along' | 'stays' | 'more';
}

/** `from` depends on `to`. */
export interface Edge {
  readonly from: string;
  readonly to: string;
  /** Whether `from` is not dropped, and so would lose a foreign key, or fail. */
  readonly lost: boolean;
  readonly title: string;
}

export interface Surroundings {
  readonly nodes: readonly Node[];
  readonly edges: readonly Edge[];
}

/** The most neighbours shown on each side of a table; the others are only counted. */
const most = 5;

/** Returns a subject with its direct neighbours. */
export function surroundingsOf(
  subject: Subject,
  subjects: ReadonlyMap<string, Subject>,
  needs: Graph['needs'],
): Surroundings {
  const { table, refersTo, referredBy, along, inText } = subject;
  const nodes: Node[] = [describe(subject)];
  const edges: Edge[] = [];

  const shown = new Set([table]);
  for (const { kind, identity } of along.slice(0, most)) {
    const id = `${kind} ${identity}`;
    shown.add(id);
    nodes.push({ id, name: short(identity), note: kind, fate: 'along' });
  }
  for (const { from, to } of needs) {
    if (from !== table && shown.has(from) && shown.has(to))
      edges.push({ from, to, lost: false, title: `${from} depends on ${to}` });
  }
  const join = (other: string, ends: Pick<Edge, 'from' | 'to'>, keys: readonly string[]) => {
    const known = subjects.get(other);
    nodes.push(known === undefined ? staying(other) : describe(known));
    edges.push({
      ...ends,
      lost: isLost(subjects.get(ends.from), subjects.get(ends.to)),
      title: keys.join(', '),
    });
  };
  for (const [other, keys] of byTable(referredBy).slice(0, most))
    join(other, { from: other, to: table }, keys);
  for (const [other, keys] of byTable(refersTo).slice(0, most)) join(other, { from: table, to: other }, keys);
  for (const identity of inText.slice(0, most)) {
    nodes.push({ id: identity, name: identity, note: 'its body names the table', fate: 'stays' });
    edges.push({ from: identity, to: table, lost: true, title: identity });
  }

  const more = (what: string, count: number, inwards: boolean, lost: boolean) => {
    if (count <= most) return;
    const id = `${count - most} ${what} ${table}`;
    const title = `${count - most} more`;
    nodes.push({ id, name: `and ${title}`, note: what, fate: 'more' });
    edges.push({ ...(inwards ? { from: id, to: table } : { from: table, to: id }), lost, title });
  };
  more('dependent objects', along.length, true, false);
  more('tables with foreign keys to it', byTable(referredBy).length, true, true);
  more('tables that it references', byTable(refersTo).length, false, false);
  more('functions that name it', inText.length, true, true);
  return { nodes, edges };
}

/** Returns whether a table that is not dropped, or not yet approved, would lose its foreign key. */
function isLost(from: Subject | undefined, to: Subject | undefined): boolean {
  return to !== undefined && from?.fate !== 'goes' && from?.migration !== to.migration;
}

function byTable(references: readonly Reference[]): [table: string, keys: string[]][] {
  const tables = new Map<string, string[]>();
  for (const { key, table } of references) tables.set(table, [...(tables.get(table) ?? []), key]);
  return [...tables];
}

function describe({ table, fate, rows, own }: Subject): Node {
  return { id: table, name: short(table), note: [rows, ...own.map(describeOwn)].join(', '), fate };
}

function staying(table: string): Node {
  return { id: table, name: short(table), note: 'not dropped', fate: 'stays' };
}

/** Omits the schema `public`, to save space. */
function short(identity: string): string {
  return identity.startsWith('public.') ? identity.slice('public.'.length) : identity;
}

/** Merges two sets of surroundings; common nodes and edges occur once. */
export function merge(first: Surroundings, second: Surroundings): Surroundings {
  const nodes = new Map([...second.nodes, ...first.nodes].map((node) => [node.id, node]));
  const edges = new Map(
    [...second.edges, ...first.edges].map((edge) => [JSON.stringify([edge.from, edge.to]), edge]),
  );
  return { nodes: [...nodes.values()], edges: [...edges.values()] };
}
