import { readFactDigests } from '../catalog/fact-digests.ts';
import { UndropError } from '../errors.ts';
import { quoteName } from '../name.ts';
import type { Session } from '../session.ts';
import type { Manifest } from './manifest.ts';
import { countRows } from './snapshot.ts';

/**
 * Compares a database into which a backup was restored with what was there when it was taken.
 *
 * @returns what differs although every table and every row is there: what pg_dump does not keep
 * @throws UndropError `backup-unproved` naming tables that are missing, or have another number of rows
 */
export async function compareWithManifest(session: Session, manifest: Manifest): Promise<string[]> {
  const lacking = await findLacking(session, manifest.tables);
  if (lacking.length > 0) {
    throw new UndropError('backup-unproved', {
      subject: manifest.file,
      message: `The backup ${manifest.file} did not bring back what it should.`,
      reason: lacking.join('\n'),
      next: 'Take another one with npm run backup, and keep this one until that is proved.',
    });
  }
  const majorOf = (version: string) => Number.parseInt(version, 10);
  if (majorOf(manifest.serverVersion) !== session.server.major) {
    return [`facts are not compared: they are of PostgreSQL ${manifest.serverVersion}`];
  }
  return compareDigests(manifest.facts, await readFactDigests(session));
}

/** What of the objects of one side the other lacks, or has otherwise. */
export function compareDigests(
  was: Readonly<Record<string, string>>,
  is: Readonly<Record<string, string>>,
): string[] {
  const all = [...new Set([...Object.keys(was), ...Object.keys(is)])].sort();
  return all.flatMap((object) => {
    if (is[object] === undefined) return [`missing: ${object}`];
    if (was[object] === undefined) return [`new: ${object}`];
    return was[object] === is[object] ? [] : [`differs: ${object}`];
  });
}

const thereSql = /* sql */ `
  select t.position
  from pg_catalog.jsonb_to_recordset($1::jsonb) as t (position int, schema text, name text)
  join pg_catalog.pg_namespace as n on n.nspname = t.schema
  join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = t.name
  where c.relkind in ('r', 'p')`;

async function findLacking(session: Session, tables: Manifest['tables']): Promise<string[]> {
  const wanted = tables.map(({ schema, name }, position) => ({ position, schema, name }));
  const found = await session.read<{ position: number }>(thereSql, [JSON.stringify(wanted)]);
  const there = new Set(found.map(({ position }) => position));
  const lacking: string[] = [];
  for (const [position, { schema, name, rows }] of tables.entries()) {
    const sql = `${quoteName(schema)}.${quoteName(name)}`;
    if (!there.has(position)) {
      lacking.push(`${sql} is missing`);
      continue;
    }
    const [count] = await countRows(session, [{ sql, hasRows: true }]);
    if (count !== rows) lacking.push(`${sql} has ${count} rows; ${rows} were there`);
  }
  return lacking;
}
