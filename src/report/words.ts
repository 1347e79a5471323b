import type { Kind } from './contract.ts';
import type { Subject } from './graph.ts';

const plurals: Readonly<Record<string, string>> = { index: 'indexes', policy: 'policies' };

/** `4 indexes` */
export function describeOwn({ kind, count }: Kind): string {
  return count === 1 ? `1 ${kind}` : `${count} ${plurals[kind] ?? `${kind}s`}`;
}

/** What a table has to do with some others: the words, and the names that follow them. */
interface Relation {
  readonly what: string;
  readonly names: readonly string[];
  /** How many are not named. */
  readonly more: number;
}

const most = 10;

/** A table and its surroundings, for who reads rather than looks. */
export function relationsOf({ rows, own, along, refersTo, referredBy, inText }: Subject): Relation[] {
  const groups: [string, readonly string[]][] = [
    ['others would go along:', along.map(({ kind, identity }) => `${kind} ${identity}`)],
    ['refers by', refersTo.map(({ key }) => key)],
    ['referred to by', referredBy.map(({ key }) => key)],
    ['named by', inText],
  ];
  return [
    { what: [rows, ...own.map(describeOwn)].join(', '), names: [], more: 0 },
    ...groups
      .filter(([, names]) => names.length > 0)
      .map(([what, names]) => ({
        what,
        names: names.slice(0, most),
        more: Math.max(0, names.length - most),
      })),
  ];
}
