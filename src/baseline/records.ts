import { gunzipSync, gzipSync } from 'node:zlib';
import { hasArchive, isOwnSql, placeSql } from '../archive/schema.ts';
import type { Digests } from '../catalog/facts/fact-digests.ts';
import { isSurrounding } from '../catalog/facts/surroundings.ts';
import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';

/** The digests of all objects of the database in one snapshot, and the numbers of the entries that were open in it. */
export interface RecordedFacts {
  readonly digests: Digests;
  /** Digests of the database itself and of roles. Undefined in a record of an earlier version. */
  readonly surroundings: Digests | undefined;
  readonly standing: readonly number[];
}

/** A record in the archive. */
export interface FactRecord extends RecordedFacts {
  readonly id: number;
  /** ISO 8601. */
  readonly madeAt: string;
  readonly madeBy: string;
  readonly command: string;
  /** The file, or the attestation, of the backup that it was made with. */
  readonly backup: string | null;
  readonly serverVersion: string;
}

/** The numbers of the open entries. */
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

/**
 * Writes a record into the archive, which must exist.
 *
 * @returns the number of the record
 */
export async function writeRecord(
  session: Session,
  { digests, surroundings, standing }: RecordedFacts,
  { command, backup }: { command: string; backup: number | null },
): Promise<number> {
  const kept = gzipSync(JSON.stringify({ ...digests, ...surroundings })).toString('base64');
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
  where ${isOwnSql('r')} and ($1::bigint is null or r.backup_id = $1)
  order by r.id desc
  limit 1`;

/**
 * The newest record of this database.
 *
 * @throws UndropError `archive-damaged`
 */
export function readNewestRecord(session: Session): Promise<FactRecord | undefined> {
  return read(session, null);
}

/**
 * The record that was made with a backup of this database.
 *
 * @throws UndropError `archive-damaged`
 */
export function readRecord(session: Session, backup: number): Promise<FactRecord | undefined> {
  return read(session, backup);
}

async function read(session: Session, backup: number | null): Promise<FactRecord | undefined> {
  if (!(await hasRecords(session))) return undefined;
  const [row] = await session.read<Omit<FactRecord, 'digests' | 'surroundings'> & { kept: string }>(
    newestSql,
    [backup],
  );
  if (row === undefined) return undefined;
  const { kept, ...record } = row;
  return { ...record, ...separate(unpack(kept, record.id)) };
}

function separate(kept: Digests): Pick<FactRecord, 'digests' | 'surroundings'> {
  const all = Object.entries(kept);
  const around = all.filter(([identity]) => isSurrounding(identity));
  return {
    digests: Object.fromEntries(all.filter(([identity]) => !isSurrounding(identity))),
    surroundings: around.length === 0 ? undefined : Object.fromEntries(around),
  };
}

/** Whether the archive has the table of records, which the first two formats lack. */
async function hasRecords(session: Session): Promise<boolean> {
  if (!(await hasArchive(session))) return false;
  const sql = `select pg_catalog.to_regclass('undrop.records') is not null as exists`;
  return (await session.read<{ exists: boolean }>(sql))[0]?.exists === true;
}

function unpack(kept: string, id: number): Digests {
  try {
    return JSON.parse(gunzipSync(Buffer.from(kept, 'base64')).toString());
  } catch (cause) {
    throw new UndropError('archive-damaged', {
      subject: `undrop.records ${id}`,
      message: `Record ${id} of the archive is damaged.`,
      reason: 'Its facts cannot be decompressed.',
      next: 'Make a new record with: undrop preflight --record',
      cause,
    });
  }
}
