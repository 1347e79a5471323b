const relation = /^(?:table|view|materialized view|foreign table) (?=[^ ]*\.)/;
const owner = /^(?:table|view|materialized view|foreign table|composite type|type) (?=[^ ]*\.)/;

/** Leaves out columns, constraints and other parts of relations that are in the list themselves. */
export function withoutParts(identities: readonly string[]): string[] {
  const relations = namesOf(identities, relation);
  return identities.filter((identity) => !ownersIn(identity).some((name) => relations.has(name)));
}

/** Returns the qualified names of the tables, views and types in the list. */
export function ownersAmong(identities: readonly string[]): Set<string> {
  return namesOf(identities, owner);
}

function namesOf(identities: readonly string[], kind: RegExp): Set<string> {
  return new Set(
    identities.filter((identity) => kind.test(identity)).map((identity) => identity.replace(kind, '')),
  );
}

/**
 * Returns the relations and types that the object may be part of, by its identity. Several, since quoted names may hold dots
 * and spaces.
 */
export function ownersIn(identity: string): string[] {
  const column = / column (.*)$/s.exec(identity)?.[1] ?? '';
  const dots = [...column.matchAll(/\./g)].map(({ index }) => column.slice(0, index));
  const ons = [...identity.matchAll(/ on /g)].map(({ index }) => identity.slice(index + 4));
  return [...dots, ...ons];
}
