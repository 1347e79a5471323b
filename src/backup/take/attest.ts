import { hostname } from 'node:os';
import { ensureArchive, placeSql } from '../../archive/schema.ts';
import { readStanding, writeRecord } from '../../baseline/records.ts';
import { readObjectDigests } from '../../catalog/facts/fact-digests.ts';
import { UndropError } from '../../errors.ts';
import type { Session } from '../../session/session.ts';
import { type NamedRelation, relationsSql } from '../relations.ts';

/** A backup that others have taken, as somebody has vouched for it. */
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
 * Records a backup made by other means, such as a snapshot of the provider, with the words of who vouches for it. It
 * counts for the tables that are there now.
 *
 * @throws UndropError `bad-options` for words that say nothing, `insufficient-privilege`
 */
export async function attest(session: Session, words: string): Promise<Attested> {
  if (words.trim() === '') throw unusable(wordless);
  if (/\/\/[^/@\s]*:[^/@\s]*@/.test(words)) throw unusable(secret);
  await ensureArchive(session);
  const tables = await session.read<NamedRelation>(tablesSql);
  const [row] = await session.write<{ id: string }>(recordSql, [
    ...[hostname(), words.trim(), session.server.version],
    JSON.stringify(tables.map(({ sql }) => sql)),
  ]);
  const facts = { digests: await readObjectDigests(session), standing: await readStanding(session) };
  await writeRecord(session, facts, { command: 'backup --attest', backup: Number(row?.id) });
  const { length } = tables.filter(({ schema }) => schema !== 'undrop');
  return { id: Number(row?.id), attestation: words.trim(), tables: length };
}

const wordless = {
  message: '--attest says nothing.',
  reason: 'Whoever relies on the backup must know which one it is, and how it is got back.',
};

const secret = {
  message: '--attest has a password in it.',
  reason: 'The words are kept in the archive, and shown.',
};

function unusable(what: { message: string; reason: string }): UndropError {
  return new UndropError('bad-options', {
    subject: '--attest',
    ...what,
    next: 'Give its name, its time and who took it: --attest "RDS snapshot before-044, 14:05 UTC, by Ada"',
  });
}
