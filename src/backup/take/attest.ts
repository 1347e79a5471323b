import { hostname } from 'node:os';
import { changeArchive } from '../../archive/change-archive.ts';
import { ensureArchive, placeSql } from '../../archive/schema.ts';
import { readStanding, writeRecord } from '../../baseline/records.ts';
import { inArchive } from '../../catalog/archive-schemas.ts';
import { readObjectDigests } from '../../catalog/facts/fact-digests.ts';
import { readSurroundings } from '../../catalog/facts/surroundings.ts';
import { UndropError } from '../../errors.ts';
import type { Session } from '../../session/session.ts';
import { type NamedRelation, relationsSql } from '../relations.ts';

/** A backup taken by other means, recorded with a user's attestation. */
export interface Attested {
  readonly id: number;
  readonly attestation: string;
  readonly tables: number;
}

const tablesSql = /* sql */ `
  select r.schema, r.name, r.sql
  from (${relationsSql}) as r
  where r.kind <> 'S'
  order by r.schema, r.name`;

const recordSql = /* sql */ `
  insert into undrop.backups
    (host, proof, attestation, server_version, tables, lsn,
     database, database_oid, system_identifier, identity)
  select $1, 'attested', $2, $3, $4, pg_catalog.pg_current_wal_lsn(),
    p.database, p.database_oid, p.system_identifier, p.identity
  from (${placeSql}) as p
  returning id`;

/**
 * Records a backup taken by other means, such as a snapshot of the provider, with a user's attestation. It is valid for the
 * tables that exist now.
 *
 * @throws UndropError `bad-options` for an attestation that is empty or contains a password, `insufficient-privilege`
 */
export async function attest(session: Session, attestation: string): Promise<Attested> {
  if (attestation.trim() === '') throw unusable(empty);
  if (/\/\/[^/@\s]*:[^/@\s]*@/.test(attestation)) throw unusable(secret);
  await ensureArchive(session);
  return changeArchive(session, () => writeAttestation(session, attestation.trim()));
}

async function writeAttestation(session: Session, attestation: string): Promise<Attested> {
  const tables = await session.read<NamedRelation>(tablesSql);
  const [row] = await session.write<{ id: string }>(recordSql, [
    ...[hostname(), attestation, session.server.version],
    JSON.stringify(tables.map(({ sql }) => sql)),
  ]);
  const facts = {
    digests: await readObjectDigests(session),
    surroundings: (await readSurroundings(session)).used,
    standing: await readStanding(session),
  };
  await writeRecord(session, facts, { command: 'backup --attest', backup: Number(row?.id) });
  const { length } = tables.filter(({ schema }) => !inArchive(schema));
  return { id: Number(row?.id), attestation, tables: length };
}

const empty = {
  message: '--attest is empty.',
  reason: 'A user who needs the backup must be able to find and restore it.',
};

const secret = {
  message: '--attest must not contain a password.',
  reason: 'The attestation is stored in the archive and shown to users.',
};

function unusable(problem: { message: string; reason: string }): UndropError {
  return new UndropError('bad-options', {
    subject: '--attest',
    ...problem,
    next: 'State its name, its time and who took it: --attest "RDS snapshot before-044, 14:05 UTC, by Ada"',
  });
}
