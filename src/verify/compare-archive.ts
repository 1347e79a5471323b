import type { KeptEntry } from '../archive/entries.ts';
import type { Difference } from '../capture/compare.ts';
import { readComment } from '../capture/schema-comment.ts';
import { type Fact, readCatalogFacts, readSurvivorFacts } from '../catalog/facts/facts.ts';
import { compareArchived } from '../down/across-majors.ts';
import { haveResolved } from '../down/earlier-entries.ts';
import { findRestored } from '../down/replay.ts';
import { readSurvivors } from '../down/restore-entry.ts';
import type { Session } from '../session/session.ts';
import type { Archived, Expected, ExpectedValue } from './expected-facts.ts';

/** The differences between restored objects and their archived facts, by the identities of the objects. */
export interface ArchiveComparison {
  readonly gone: readonly string[];
  readonly changed: readonly string[];
  readonly added: readonly string[];
  /** Objects with expressions that cannot be compared, since another major version printed the archived ones. */
  readonly printed: readonly string[];
}

/** Compares the objects that were restored since the record with their archived facts. */
export async function compareRestored(session: Session, { restored }: Expected): Promise<ArchiveComparison> {
  if (restored.length === 0) return { gone: [], changed: [], added: [], printed: [] };
  const names = restored.map(({ fact }) => `${fact.catalog} ${fact.identity}`);
  const tables = namedTables(restored).filter((sql) => names.includes(`pg_class table ${sql}`));
  const current = await readCatalogFacts(session, await findRestored(session, tables));
  const verdicts = splitByVersion(restored, current).map(({ version, archived, facts }) =>
    compareArchived(version, archived, session.server, facts),
  );
  const before = new Set(restored.map(({ fact }) => fact.identity));
  const after = new Set(current.map(({ identity }) => identity));
  const objects = objectsOf(verdicts.flatMap(({ differences }) => differences));
  return {
    gone: objects.filter((object) => !after.has(object)),
    changed: objects.filter((object) => before.has(object) && after.has(object)),
    added: objects.filter((object) => !before.has(object)),
    printed: objectsOf(verdicts.flatMap(({ printed }) => printed)),
  };
}

function objectsOf(differences: readonly Difference[]): string[] {
  return [...new Set(differences.map(({ object }) => object))];
}

function namedTables(restored: readonly Archived[]): string[] {
  const entries = new Set(restored.map(({ entry }) => entry));
  return [...new Set([...entries].flatMap(({ tables }) => tables.map(({ sql }) => sql)))];
}

interface Group {
  readonly version: string;
  readonly archived: Fact[];
  readonly facts: Fact[];
}

/**
 * Groups facts by the form in which they were archived, which depends on the server and on the version of this package.
 * Current facts without an archived one are compared with the first group.
 */
function splitByVersion(restored: readonly Archived[], current: readonly Fact[]): Group[] {
  const factsOf = (entry: KeptEntry) =>
    restored.filter((archived) => archived.entry === entry).map(({ fact }) => fact);
  const entries = new Set(restored.map(({ entry }) => entry));
  const resolved = new Map([...entries].map((entry) => [entry, haveResolved(factsOf(entry))]));
  const groups = new Map<string, Group>();
  const byKey = new Map<string, Group>();
  for (const { entry, fact } of restored) {
    const key = `${Number.parseInt(entry.serverVersion, 10)} ${resolved.get(entry)}`;
    const group = groups.get(key) ?? { version: entry.serverVersion, archived: [], facts: [] };
    groups.set(key, group);
    group.archived.push(fact);
    byKey.set(`${fact.catalog} ${fact.identity}`, group);
  }
  const [first] = groups.values();
  for (const fact of current) (byKey.get(`${fact.catalog} ${fact.identity}`) ?? first)?.facts.push(fact);
  return [...groups.values()];
}

/**
 * Returns the objects that a drop or its restore has changed without dropping or creating them, with the migration: survivors
 * and comments on schemas. Left out are those whose values are not what the drop or the restore set.
 */
export async function readExplained(
  session: Session,
  { survivors, comments }: Expected,
): Promise<Map<string, string>> {
  const explained = new Map<string, string>();
  const wrong = new Set<string>();
  const facts = await readSurvivorFacts(session, await allSurvivors(session, survivors));
  for (const expected of survivors) {
    explained.set(expected.object, expected.entry.migration);
    if (!isAsExpected(expected, facts)) wrong.add(expected.object);
  }
  for (const { entry, schema, comment } of comments) {
    const [quoted] = await session.read<{ name: string }>(quotedSql, [schema]);
    const identity = `comment on schema ${quoted?.name}`;
    explained.set(identity, entry.migration);
    if ((await readComment(session, schema)) !== comment) wrong.add(identity);
  }
  for (const identity of wrong) explained.delete(identity);
  return explained;
}

const quotedSql = 'select pg_catalog.quote_ident($1) as name';

async function allSurvivors(session: Session, expected: readonly ExpectedValue[]) {
  const byOid = new Map<number, Awaited<ReturnType<typeof readSurvivors>>[number]>();
  for (const entry of new Set(expected.map(({ entry }) => entry)))
    for (const survivor of await readSurvivors(session, entry)) byOid.set(survivor.oid, survivor);
  return [...byOid.values()];
}

function isAsExpected(
  {
    object,
    catalog,
    column,
    value,
  }: Pick<Difference, 'object' | 'catalog' | 'column'> & { value: string | null },
  facts: readonly Fact[],
): boolean {
  const rows = facts.filter((fact) => fact.catalog === catalog && fact.identity === object);
  if (column !== '*') return rows.some(({ columns }) => (columns[column] ?? null) === value);
  if (value === null) return rows.length === 0;
  return rows.some(({ columns }) => JSON.stringify(columns) === value);
}
