import { countOf } from '../text/units.ts';
import type { Kind } from './contract.ts';
import type { Subject } from './graph.ts';

const plurals: Readonly<Record<string, string | undefined>> = { index: 'indexes', policy: 'policies' };

/** Formats a count of objects: `4 indexes`. */
export function describeOwn({ kind, count }: Kind): string {
  return countOf(count, kind, plurals[kind]);
}

/** One kind of relationship of a table: a label, and the names of the other objects. */
interface Relation {
  readonly what: string;
  readonly names: readonly string[];
}

/** Describes a table and its relationships as text, in place of a picture. */
export function relationsOf({ rows, own, along, refersTo, referredBy, inText }: Subject): Relation[] {
  const groups: [string, readonly string[]][] = [
    ['would also drop:', along.map(({ kind, identity }) => `${kind} ${identity}`)],
    ['its foreign keys:', refersTo.map(({ key }) => key)],
    ['foreign keys to it:', referredBy.map(({ key }) => key)],
    ['named in the body of:', inText],
  ];
  return [
    { what: [rows, ...own.map(describeOwn)].join(', '), names: [] },
    ...groups.filter(([, names]) => names.length > 0).map(([what, names]) => ({ what, names })),
  ];
}
