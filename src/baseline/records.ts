import { gunzipSync, gzipSync } from 'node:zlib';
import { hasArchive, isOwnSql, placeSql } from '../archive/schema.ts';
import type { Digests } from '../catalog/facts/fact-digests.ts';
import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';

/** What all objects of the database were at one moment, and which drops stood then. */
export interface RecordedFacts {
  readonly digests: Digests;
  readonly standing: readonly number[];
}

/** The same as the archive keeps it. */
export interface FactRecord extends RecordedFacts {
  readonly id: number;
  /** ISO 8601. */
  readonly madeAt: string;
  readonly madeBy: string;
  readonly command: string;
  /** File, or words, of the backup that it was made with. */
  readonly backup: string | null;
  readonly serverVersion: string;
}

/** The numbers of the drops that have not been restored. */
export async function readStanding(session: Session): Promise<number[]> {
  if (!(await hasArchive(session))) return [];
  const sql = 'select d.id from undrop.drops as d where d.restored_at is null order by d.id';
  return (await session.read<{ id: number }>(sql)).map(({ id }) => id);
}

const writeSql = /* sql */ `
  insert into undrop.records
    (command, backup_id, standing, digests, server_version, database, database_oid, system_identifier, identity)
  select $1, $2, $3, pg_catalog.decode($4, 'base64'), $5, p.database, p.database_oid, p.system_identifier, p.identity
  from (${placeSql}) as p
  returning id`;

/** Keeps a record in the archive, which must be there; gives its number. */
export async function writeRecord(
  session: Session,
  { digests, standing }: RecordedFacts,
  { command, backup }: { command: string; backup: number | null },
): Promise<number> {
  const kept = gzipSync(JSON.stringify(digests)).toString('base64');
  const values = [command, backup, JSON.stringify(standing), kept, session.server.version];
  const [row] = await session.write<{ id: string }>(writeSql, values);
  return Number(row?.id);
}

const newestSql = /* sql */ `
  select r.id, r.made_at as "madeAt", r.made_by as "madeBy", r.command, r.server_version as "serverVersion", r.standing,
    coalesce(b.file, b.attestation) as backup, pg_catalog.encode(r.digests, 'base64') as kept
  from undrop.records as r
  cross join (${placeSql}) as p
  left join undrop.backups as b on b.id = r.backup_id
  where ${isOwnSql('r')}
  order by r.id desc
  limit 1`;

/**
 * The newest record of this very database.
 *
 * @throws UndropError `archive-damaged`
 */
export async function readNewestRecord(session: Session): Promise<FactRecord | undefined> {
  if (!(await hasRecords(session))) return undefined;
  const [row] = await session.read<Omit<FactRecord, 'digests'> & { kept: string }>(newestSql);
  if (row === undefined) return undefined;
  const { kept, ...record } = row;
  return { ...record, digests: unpack(kept, record.id) };
}

/** Archives of the first two formats have none. */
async function hasRecords(session: Session): Promise<boolean> {
  if (!(await hasArchive(session))) return false;
  const sql = `select pg_catalog.to_regclass('undrop.records') is not null as there`;
  return (await session.read<{ there: boolean }>(sql))[0]?.there === true;
}

function unpack(kept: string, id: number): Digests {
  try {
    return JSON.parse(gunzipSync(Buffer.from(kept, 'base64')).toString());
  } catch (cause) {
    throw new UndropError('archive-damaged', {
      subject: `undrop.records ${id}`,
      message: `Record ${id} of the archive is not what was written.`,
      reason: 'The facts that it keeps cannot be unpacked.',
      next: 'Make another one with: undrop preflight --record',
      cause,
    });
  }
}
