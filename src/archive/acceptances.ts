import type { Accepted } from '../capture/accept-differences.ts';
import type { Session } from '../session/session.ts';
import { countOf } from '../text/units.ts';
import { ensureArchive } from './schema.ts';

/** Differences of an entry that a user accepted. `acceptedAt` is ISO 8601. */
export interface Acceptance extends Accepted {
  readonly entry: number;
  readonly command: Command;
  readonly acceptedAt: string;
  readonly acceptedBy: string;
}

type Command = 'up' | 'down' | 'restore';

const writeSql = /* sql */ `
  insert into undrop.acceptances (drop_id, command, digest, differences) values ($1, $2, $3, $4)`;

/** Records accepted differences with their entry. Upgrades an archive of an older format. */
export async function writeAcceptance(
  session: Session,
  entry: number,
  command: Command,
  { digest, differences }: Accepted,
): Promise<void> {
  await ensureArchive(session);
  await session.write(writeSql, [entry, command, digest, JSON.stringify(differences)]);
}

const readSql = /* sql */ `
  select a.drop_id as entry, a.command, a.digest, a.differences, a.accepted_at as "acceptedAt",
    a.accepted_by as "acceptedBy"
  from undrop.acceptances as a
  order by a.id`;

/** All accepted differences, oldest first. An archive of the first three formats has none. */
export async function readAcceptances(session: Session): Promise<Acceptance[]> {
  const [row] = await session.read<{ exists: boolean }>(
    `select pg_catalog.to_regclass('undrop.acceptances') is not null as exists`,
  );
  return row?.exists === true ? session.read<Acceptance>(readSql) : [];
}

/**
 * `2 differences accepted by anna on 2026-11-28T10:00:00Z in down (1a2b3c4d5e6f): table public.posts (pg_class.relacl)`
 */
export function describeAcceptance({
  digest,
  differences,
  command,
  acceptedAt,
  acceptedBy,
}: Acceptance): string {
  const places = differences.map(({ object, catalog, column }) => `${object} (${catalog}.${column})`);
  return `${countOf(differences.length, 'difference')} accepted by ${acceptedBy} on ${acceptedAt} in ${command} (${digest}): ${[...new Set(places)].join(', ')}`;
}
