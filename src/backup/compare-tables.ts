import { readRecord } from '../baseline/records.ts';
import { stillDiffering } from '../catalog/facts/earlier-digests.ts';
import { type Digests, readObjectDigests } from '../catalog/facts/fact-digests.ts';
import type { Table } from '../options/table.ts';
import type { Session } from '../session/session.ts';

/**
 * Compares the facts of tables with those that were recorded with a backup: the tables with their columns, indexes,
 * constraints, triggers, rules and policies.
 *
 * @param backup the ID in the archive
 * @returns the objects that are new or have changed since; none for a backup without a record, or of another major version
 */
export async function findChanges(
  session: Session,
  backup: number,
  tables: readonly Table[],
): Promise<string[]> {
  const record = await readRecord(session, backup);
  if (record === undefined || Number.parseInt(record.serverVersion, 10) !== session.server.major) return [];
  const current = await ofTables(session, await readObjectDigests(session), tables);
  const differing = current.filter(([identity, digest]) => record.digests[identity] !== digest);
  const identities = differing.map(([identity]) => identity);
  return record.surroundings === undefined ? stillDiffering(session, record.digests, identities) : identities;
}

const indexesSql = /* sql */ `
  select pg_catalog.format('index %I.%I', n.nspname, c.relname) as identity
  from pg_catalog.pg_index as i
  join pg_catalog.pg_class as c on c.oid = i.indexrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where i.indrelid = any ($1)`;

async function ofTables(
  session: Session,
  digests: Digests,
  tables: readonly Table[],
): Promise<[string, string][]> {
  const rows = await session.read<{ identity: string }>(indexesSql, [tables.map(({ oid }) => oid)]);
  const indexes = new Set(rows.map(({ identity }) => identity));
  return Object.entries(digests).filter(
    ([identity]) =>
      indexes.has(identity) ||
      tables.some(
        ({ sql }) =>
          identity === `table ${sql}` ||
          identity.startsWith(`table column ${sql}.`) ||
          (identity.endsWith(` on ${sql}`) && /^(table constraint|trigger|rule|policy) /.test(identity)),
      ),
  );
}
