import { hostname } from 'node:os';
import type { ClientBase } from 'pg';
import { backupsSql } from '../archive/schema.ts';
import { UndropError } from '../errors.ts';
import type { Options } from '../options/options.ts';
import type { Table } from '../options/table.ts';
import { readRows } from '../session/read-rows.ts';
import type { Session } from '../session/session.ts';
import { commandLine } from '../text/command-line.ts';
import { say } from '../text/log.ts';
import { duration, list } from '../text/units.ts';
import { findChanges } from './compare-tables.ts';
import { findDamage, type Recorded } from './damage.ts';

interface BackupRow {
  readonly id: number;
  readonly age: number;
  readonly host: string;
  readonly proof: string;
  readonly own: boolean;
  readonly uncovered: readonly string[];
  /** Null for an attested backup. */
  readonly recorded: Recorded | null;
  readonly attestation: string | null;
}

const recordedSql = /* sql */ `
  case when b.file is not null then pg_catalog.jsonb_build_object('file', b.file, 'bytes', b.bytes::text,
    'sha256', b.sha256, 'manifestSha256', b.manifest_sha256) end as recorded`;

const coveringSql = /* sql */ `
  select b.id, b.host, b.proof, b.attestation,
    extract(epoch from pg_catalog.clock_timestamp() - b.started_at)::float8 as age,
    b.own,
    array(
      select t.name from pg_catalog.unnest($1::text[]) as t (name)
      where not b.tables @> pg_catalog.jsonb_build_array(t.name) order by t.name) as uncovered,
    ${recordedSql}
  from (${backupsSql}) as b
  order by b.finished_at desc, b.id desc`;

/**
 * Returns the archive ID of the newest backup that holds the tables and has the required proof. Returns null if the
 * migration requires no backup.
 *
 * @throws UndropError `backup-missing`, `backup-unproved`
 */
export async function requireBackup(
  session: Session,
  tables: readonly Table[],
  options: Options,
): Promise<number | null> {
  if (options.backup === 'off') return null;
  const backups = await session.read<BackupRow>(coveringSql, [tables.map(({ sql }) => sql)]);
  const own = backups.filter(({ own }) => own);
  const recent = own.filter(
    ({ age, uncovered }) => age <= options.backupMaxAgeSeconds && age >= 0 && uncovered.length === 0,
  );
  if (recent.length === 0) throw missing(session, options, own[0]);
  const required = options.backupProof === 'reachable' ? 'contents' : options.backupProof;
  const chosen = recent.find(({ proof }) => proofs.indexOf(proof) >= proofs.indexOf(required));
  if (chosen === undefined) throw notProved(options, recent[0] as BackupRow);
  if (chosen.recorded === null) say(`${options.name}: uses an attested backup: ${chosen.attestation}`);
  else await checkFile(chosen.host, chosen.recorded, options);
  const changes = await findChanges(session, chosen.id, tables);
  if (changes.length > 0) throw outdated(options, chosen, changes);
  return chosen.id;
}

const newestSql = /* sql */ `
  select ${recordedSql}
  from (${backupsSql}) as b
  where b.own and b.file is not null
  order by b.finished_at desc, b.id desc
  limit 1`;

// Needs no privilege on the schema, unlike to_regclass.
const existsSql = /* sql */ `
  select from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = 'undrop' and c.relname = 'backups'`;

/**
 * Hashes the file of the newest backup, so that `requireBackup` finds the hash in the cache. A large file takes minutes,
 * and no transaction should stay open for that long. Damage is not reported here but by `requireBackup`.
 */
export async function readNewestBackup(client: ClientBase): Promise<void> {
  const archive = await client.query(existsSql);
  if (archive.rowCount === 0) return;
  const rows = await readRows<{ recorded: Recorded }>(client, newestSql).catch(() => []);
  for (const { recorded } of rows) await findDamage(recorded);
}

/** Ordered from the weakest to the strongest. */
const proofs: readonly string[] = ['off', 'attested', 'contents', 'restore'];

const proofDescriptions: Readonly<Record<string, string>> = {
  off: 'was taken without a proof',
  attested: 'was attested, not proved',
  contents: 'was proved by its contents, not by a restore',
};

function notProved(options: Options, { proof, recorded, attestation }: BackupRow): UndropError {
  const subject = recorded?.file ?? attestation ?? '';
  return new UndropError('backup-unproved', {
    subject,
    message: `The backup ${subject} does not have the proof that ${options.name} requires.`,
    reason: `It ${proofDescriptions[proof] ?? `has the proof ${proof}, which this version does not know`}; the required proof is ${options.backupProof}.`,
    next:
      options.backupProof === 'restore'
        ? `Take one with ${commandLine('backup', '--prove restore')}. To accept a weaker proof, set UNDROP_BACKUP_PROOF=contents.`
        : `Take one with ${commandLine('backup')}.${proof === 'attested' ? ' To accept the attested backup, set UNDROP_BACKUP_PROOF=attested.' : ''}`,
  });
}

function missing(session: Session, options: Options, newest: BackupRow | undefined): UndropError {
  const allowed = duration(options.backupMaxAgeSeconds);
  return new UndropError('backup-missing', {
    subject: session.database,
    message: `${options.name} requires a backup of ${session.database} that is not older than ${allowed}.`,
    reason:
      newest === undefined
        ? `The archive in ${session.database} has no record of a backup of this database.`
        : `The newest, ${newest.recorded?.file ?? `attested as ${newest.attestation}`}, ${whyNot(newest, allowed)}.`,
    next: `Take one with ${commandLine('backup')}. To continue without a backup, set UNDROP_BACKUP=off.`,
  });
}

function whyNot({ age, uncovered }: BackupRow, allowed: string): string {
  if (uncovered.length > 0) return `does not hold ${uncovered.join(', ')}`;
  if (age < 0) return "is dated in the future; the server's clock was set back";
  return `is ${duration(age)} old; the maximum age is ${allowed}`;
}

function outdated(
  { name }: Options,
  { recorded, attestation }: BackupRow,
  changes: readonly string[],
): UndropError {
  return new UndropError('backup-missing', {
    subject: recorded?.file ?? attestation ?? '',
    message: `${name} requires a backup with the current structure of its tables.`,
    reason: `Changed after the newest backup: ${list(changes)}.`,
    next: `Take one with ${commandLine('backup')}. To continue without a backup, set UNDROP_BACKUP=off.`,
  });
}

async function checkFile(host: string, recorded: Recorded, { name, backupProof }: Options): Promise<void> {
  const damage = await findDamage(recorded);
  if (damage === undefined) return;
  // The file of a backup that was taken on another host may not be accessible here.
  if (damage.gone && host !== hostname() && backupProof !== 'reachable') {
    say(
      `${name}: the backup ${recorded.file} was taken on ${host} and does not exist on this host, ` +
        'so it was not checked. To refuse such a backup, set UNDROP_BACKUP_PROOF=reachable.',
    );
    return;
  }
  throw new UndropError('backup-unproved', {
    subject: recorded.file,
    message: `The backup ${recorded.file} is not usable.`,
    reason: damage.reason,
    next: `Take another backup with ${commandLine('backup')}.`,
  });
}
