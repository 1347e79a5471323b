import { UndropError } from '../../errors.ts';
import type { Target } from '../../knex/target.ts';
import { readRows } from '../../session/read-rows.ts';
import type { Manifest } from '../manifest.ts';
import { withClient } from './scratch.ts';

/**
 * Checks that the server has the roles, extensions and tablespaces that a backup refers to. A manifest of an earlier version
 * does not list them.
 *
 * @param server any database of the server
 * @throws UndropError `prerequisite-gone`, with all that are missing
 */
export async function checkPrerequisites(
  server: Target,
  { file, prerequisites }: Pick<Manifest, 'file' | 'prerequisites'>,
): Promise<void> {
  if (prerequisites === undefined) return;
  const { roles, extensions, tablespaces } = prerequisites;
  const rows = await withClient(server, (client) =>
    readRows<{ kind: string; name: string }>(client, missingSql, [roles, extensions, tablespaces]),
  );
  if (rows.length === 0) return;
  throw new UndropError('prerequisite-gone', {
    subject: rows.map(({ name }) => name).join(', '),
    message: `The backup ${file} cannot be restored on this server.`,
    reason: rows.map(({ kind, name }) => `The ${kind} ${name} does not exist.`).join('\n'),
    next: 'Create the roles of the original server first (pg_dumpall --roles-only prints the statements), install its extensions and create its tablespaces. The backup itself was not judged.',
  });
}

const missingSql = /* sql */ `
  select 'role' as kind, n.name
  from pg_catalog.unnest($1::text[]) as n (name)
  where not exists (select from pg_catalog.pg_roles as r where r.rolname = n.name)
  union all
  select 'extension', n.name
  from pg_catalog.unnest($2::text[]) as n (name)
  where not exists (select from pg_catalog.pg_available_extensions as e where e.name = n.name)
  union all
  select 'tablespace', n.name
  from pg_catalog.unnest($3::text[]) as n (name)
  where not exists (select from pg_catalog.pg_tablespace as t where t.spcname = n.name)`;
