import { groupBy } from '../text/group-by.ts';
import type { Graph, Subject } from './graph.ts';
import { merge, type Surroundings, surroundingsOf } from './surroundings.ts';

/** The contents of one picture: some subjects, and the objects around them. */
export interface Neighbourhood extends Surroundings {
  readonly migration: string | null;
  readonly subjects: readonly Subject[];
}

// Larger pictures are hard to read, and so are more of them.
const mostNodes = 26;
const mostPictures = 12;

/**
 * Divides the graph into pictures of limited size and number. Subjects that depend on each other share a picture. A
 * table that is not dropped does not join subjects, even if many of them reference it.
 */
export function findNeighbourhoods(graph: Graph): Neighbourhood[] {
  const found: Neighbourhood[] = [];
  const subjects = new Map(graph.subjects.map((subject) => [subject.table, subject]));
  for (const [migration, group] of groupBy(graph.subjects, (subject) => subject.migration)) {
    let current: Neighbourhood = { migration, subjects: [], nodes: [], edges: [] };
    for (const subject of inComponents(group)) {
      if (found.length === mostPictures) return found;
      const around = surroundingsOf(subject, subjects, graph.needs);
      const grown = merge(current, around);
      if (current.subjects.length === 0 || grown.nodes.length <= mostNodes) {
        current = { migration, subjects: [...current.subjects, subject], ...grown };
      } else {
        found.push(current);
        current = { migration, subjects: [subject], ...around };
      }
    }
    found.push(current);
  }
  return found.slice(0, mostPictures);
}

/** Sorts subjects so that connected ones are adjacent: larger groups first, unconnected subjects last. */
function inComponents(group: readonly Subject[]): Subject[] {
  const byTable = new Map(group.map((subject) => [subject.table, subject]));
  const byDependent = groupBy(
    group.flatMap((subject) =>
      subject.along.map(({ kind, identity }) => ({ id: `${kind} ${identity}`, subject })),
    ),
    ({ id }) => id,
  );
  const seen = new Set<Subject>();
  const components: Subject[][] = [];
  for (const first of group) {
    if (seen.has(first)) continue;
    const component = [first];
    seen.add(first);
    for (const { refersTo, referredBy, along } of component) {
      const near = [
        ...[...refersTo, ...referredBy].flatMap(({ table }) => byTable.get(table) ?? []),
        ...along.flatMap(({ kind, identity }) =>
          (byDependent.get(`${kind} ${identity}`) ?? []).map(({ subject }) => subject),
        ),
      ];
      for (const other of near) {
        if (seen.has(other)) continue;
        seen.add(other);
        component.push(other);
      }
    }
    components.push(component);
  }
  return components.sort((a, b) => b.length - a.length || ties(b) - ties(a)).flat();
}

function ties(component: readonly Subject[]): number {
  return component.reduce(
    (sum, { along, refersTo, referredBy, inText }) =>
      sum + along.length + refersTo.length + referredBy.length + inText.length,
    0,
  );
}
