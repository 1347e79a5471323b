import { stillDiffering } from '../../catalog/facts/earlier-digests.ts';
import { type Digests, readFactDigests, readObjectDigests } from '../../catalog/facts/fact-digests.ts';
import { UndropError } from '../../errors.ts';
import { quoteName } from '../../options/table-name.ts';
import type { Session } from '../../session/session.ts';
import { commandLine } from '../../text/command-line.ts';
import { countGroups } from '../count-groups.ts';
import { countRows } from '../dump/snapshot.ts';
import type { Manifest } from '../manifest.ts';

/**
 * Compares a restored database with the manifest of the backup.
 *
 * @returns the differences in a database with all tables and rows: attributes that pg_dump does not keep
 * @throws UndropError `backup-unproved`, with the tables that are missing or have another number of rows
 */
export async function compareWithManifest(session: Session, manifest: Manifest): Promise<string[]> {
  const lacking = await findLacking(session, manifest.tables);
  if (lacking.length > 0) {
    throw new UndropError('backup-unproved', {
      subject: manifest.file,
      message: `The database restored from ${manifest.file} does not match the manifest.`,
      reason: lacking.join('\n'),
      next: `Take another backup with ${commandLine('backup')}, and keep this one until the new one is proved.`,
    });
  }
  const majorOf = (version: string) => Number.parseInt(version, 10);
  if (majorOf(manifest.serverVersion) !== session.server.major) {
    return [`facts are not compared: the backup is from PostgreSQL ${manifest.serverVersion}`];
  }
  const lines = compareDigests(manifest.facts, await readFactDigests(session));
  return manifest.factsVersion === undefined ? compareEarlier(session, manifest, lines) : lines;
}

/**
 * Returns the differences of objects that a restored database lacks. A partition's copy of a foreign key does not count if
 * it only has another name: pg_dump does not keep these names.
 */
export function missingIn(differences: readonly string[]): string[] {
  const renamed = differences.flatMap((line) => constraintIn(line, 'new: ') ?? []);
  return differences.filter((line) => {
    if (!line.startsWith(missing)) return false;
    const at = renamed.indexOf(constraintIn(line, missing) ?? '');
    if (at >= 0) renamed.splice(at, 1);
    return at < 0;
  });
}

/** Returns the table of a constraint that a difference is about. */
function constraintIn(line: string, beginning: string): string | undefined {
  if (!line.startsWith(`${beginning}table constraint `)) return undefined;
  return / on (?!.* on )(.*)/s.exec(line)?.[1];
}

const missing = 'missing: ';
const differs = 'differs: ';

/**
 * Returns the differences that remain for a manifest with facts of an earlier version. The first version included options
 * that some servers write whenever a column is created. For such a column it is unknown whether anything else differs.
 */
async function compareEarlier(
  session: Session,
  { facts }: Manifest,
  lines: readonly string[],
): Promise<string[]> {
  const differing = lines
    .filter((line) => line.startsWith(differs))
    .map((line) => line.slice(differs.length));
  const left = new Set(await stillDiffering(session, facts, differing));
  const first = await readObjectDigests(session, 1);
  const second = await readObjectDigests(session, 2);
  const unknown = [...left].filter((object) => first[object] !== second[object]);
  const known = lines.filter((line) => {
    const object = line.startsWith(differs) ? line.slice(differs.length) : undefined;
    return object === undefined || (left.has(object) && !unknown.includes(object));
  });
  if (unknown.length === 0) return known;
  const reason = 'their digests in the manifest include options that the server sets itself';
  return [...known, `not compared: ${unknown.length} columns, because ${reason}`];
}

/** Returns the objects that are missing, new or different in `is`, a line each. */
export function compareDigests(was: Digests, is: Digests): string[] {
  const all = [...new Set([...Object.keys(was), ...Object.keys(is)])].sort();
  return all.flatMap((object) => {
    if (is[object] === undefined) return [`${missing}${object}`];
    if (was[object] === undefined) return [`new: ${object}`];
    return was[object] === is[object] ? [] : [`${differs}${object}`];
  });
}

const existingSql = /* sql */ `
  select t.position
  from pg_catalog.jsonb_to_recordset($1::jsonb) as t (position int, schema text, name text)
  join pg_catalog.pg_namespace as n on n.nspname = t.schema
  join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = t.name
  where c.relkind in ('r', 'p')`;

async function findLacking(session: Session, tables: Manifest['tables']): Promise<string[]> {
  const wanted = tables.map(({ schema, name }, position) => ({ position, schema, name }));
  const found = await session.read<{ position: number }>(existingSql, [JSON.stringify(wanted)]);
  const existing = new Set(found.map(({ position }) => position));
  const lacking: string[] = [];
  for (const group of countGroups(tables.filter((_, position) => existing.has(position)))) {
    const [table] = group;
    const counts = await countRows(
      session,
      group.map((each) => ({ sql: sqlOf(each), hasRows: true })),
    );
    const count = sum(counts);
    const rows = sum(group.map((each) => each.rows));
    const partitions = group.length === 1 ? '' : ' and its partitions';
    const verb = group.length === 1 ? 'has' : 'have';
    if (table !== undefined && count !== rows)
      lacking.push(`${sqlOf(table)}${partitions} ${verb} ${count} rows, not ${rows}`);
  }
  const missingTables = wanted
    .filter(({ position }) => !existing.has(position))
    .map((table) => `${sqlOf(table)} is missing`);
  return [...lacking, ...missingTables];
}

function sqlOf({ schema, name }: { schema: string; name: string }): string {
  return `${quoteName(schema)}.${quoteName(name)}`;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
