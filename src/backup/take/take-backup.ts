import { hostname } from 'node:os';
import { basename, resolve } from 'node:path';
import type { Knex } from 'knex';
import { ensureArchive, placeSql } from '../../archive/schema.ts';
import { writeRecord } from '../../baseline/records.ts';
import { withoutStates } from '../../catalog/facts/fact-digests.ts';
import { isUndropError, UndropError } from '../../errors.ts';
import type { Target } from '../../knex/target.ts';
import { inSession, type Session } from '../../session/session.ts';
import { say } from '../../text/log.ts';
import { printable } from '../../text/printable.ts';
import { claimDraft, discardDraft, findDrafts, publishDraft, settleDraft } from '../backup-file.ts';
import { type Dumped, type DumpHooks, dump } from '../dump/dump.ts';
import { type DumpOptions, planDump } from '../dump/dump-plan.ts';
import { formatManifest, type Manifest, manifestOf } from '../manifest.ts';
import { hashOf } from '../measure.ts';
import { type ProofOptions, prove } from '../proof/prove.ts';

export interface BackupOptions extends DumpOptions, ProofOptions, DumpHooks {
  /** Made, closed to others, where it is missing. */
  folder: string;
}

/** A backup that is on disk and recorded. */
export interface Backup
  extends Omit<Manifest, 'manifestVersion' | 'database' | 'files' | 'tables' | 'factsVersion' | 'facts'> {
  /** Its number in the archive. */
  readonly id: number;
  /** Absolute. */
  readonly file: string;
  readonly manifest: string;
  readonly manifestSha256: string;
  /** How many tables it holds, beside those of the archive. */
  readonly tables: number;
  readonly seconds: number;
}

/**
 * Dumps the whole database as it is at one moment, proves the file, and records it in the archive with the tables that
 * it holds, for `requireBackup`, and the facts of all objects, for `verify`. Its manifest lies beside it. All or nothing.
 *
 * @throws UndropError `bad-options`, `backup-failed`, `backup-unproved`, `insufficient-privilege`, `lock-timeout`
 */
export async function backup(knex: Knex, target: Target, options: BackupOptions): Promise<Backup> {
  const start = performance.now();
  const plan = planDump(options, target.embedded !== undefined);
  // Whoever looks for it later may stand in another folder.
  const folder = resolve(options.folder);
  const began = await inSession(knex, begin);
  await nameDrafts(folder);
  const draft = await claimDraft(folder, plan, new Date(began.startedAt));
  try {
    const dumped = await dump(knex, target, began.serverMajor, plan, draft, options);
    const finishedAt = await inSession(knex, (session) => readClock(session, began.startedAt));
    await settleDraft(draft);
    const unproved = describe(began, finishedAt, dumped, { file: basename(draft.file), format: plan.format });
    const manifest = {
      ...unproved,
      ...(await prove(target, draft.partial, unproved, options, dumped.pgDump)),
    };
    const text = formatManifest(manifest);
    const id = await inSession(knex, async (session) => {
      const recorded = await record(session, draft.file, manifest, hashOf(text), dumped);
      await publishDraft(draft, text);
      return recorded;
    });
    const { manifestVersion, database, files, tables, factsVersion, facts, ...told } = manifest;
    return {
      ...told,
      id,
      file: draft.file,
      manifest: manifestOf(draft.file),
      manifestSha256: hashOf(text),
      tables: tables.filter(({ schema }) => schema !== 'undrop').length,
      seconds: (performance.now() - start) / 1000,
    };
  } catch (error) {
    const hasName = await discardDraft(draft);
    // A session that the signal stopped has words of its own for it.
    if (!hasName) options.signal?.throwIfAborted();
    throw hasName ? unrecorded(draft.file, error) : brokeOff(target, error);
  }
}

interface Began {
  startedAt: string;
  lsn: string;
  serverVersion: string;
  serverMajor: number;
}

async function begin(session: Session): Promise<Began> {
  await ensureArchive(session);
  // Before the snapshot: all that was committed up to here is in it.
  const [now] = await session.read<{ startedAt: string; lsn: string }>(
    `select pg_catalog.clock_timestamp() as "startedAt", pg_catalog.pg_current_wal_lsn() as lsn`,
  );
  if (now === undefined) throw new Error('The server has no clock.');
  return { ...now, serverVersion: session.server.version, serverMajor: session.server.major };
}

/** By the server's clock, which may have been set back meanwhile. */
async function readClock(session: Session, startedAt: string): Promise<string> {
  const [row] = await session.read<{ now: string }>(
    'select greatest($1::timestamptz, pg_catalog.clock_timestamp()) as now',
    [startedAt],
  );
  return row?.now ?? startedAt;
}

/** What a killed backup has left stays, since another backup may be writing it. */
async function nameDrafts(folder: string): Promise<void> {
  for (const { path, seconds } of await findDrafts(folder)) {
    say(
      `${printable(path)} is no backup: one that runs is writing it, or one that was killed has left it. ` +
        `It was last written to ${Math.max(0, Math.round(seconds))} s ago. If none runs: rm -r '${printable(path)}'`,
    );
  }
}

function describe(
  { startedAt, lsn, serverVersion }: Began,
  finishedAt: string,
  { contents, tally, pgDumpVersion, measured }: Dumped,
  named: Pick<Manifest, 'file' | 'format'>,
): Manifest {
  const { database, takenBy, tables } = contents;
  return {
    manifestVersion: 1,
    database,
    serverVersion,
    pgDumpVersion,
    host: hostname(),
    takenBy,
    startedAt,
    finishedAt,
    lsn,
    ...named,
    ...measured,
    tables: tables.map(({ schema, name }, index) => ({ schema, name, rows: tally.rows[index] ?? 0 })),
    factsVersion: 3,
    facts: tally.facts,
    proof: 'off',
    differences: [],
  };
}

const recordSql = /* sql */ `
  insert into undrop.backups
    (started_at, finished_at, lsn, host, file, format, bytes, sha256, manifest_sha256, proof, pg_dump_version,
     server_version, tables, database, database_oid, system_identifier, identity)
  select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
    p.database, p.database_oid, p.system_identifier, p.identity
  from (${placeSql}) as p
  returning id`;

async function record(
  session: Session,
  file: string,
  manifest: Manifest,
  manifestSha256: string,
  { contents: { tables, standing } }: Dumped,
): Promise<number> {
  const { startedAt, finishedAt, lsn, host, format, bytes, sha256 } = manifest;
  const { proof, pgDumpVersion, serverVersion } = manifest;
  const [row] = await session.write<{ id: string }>(recordSql, [
    ...[startedAt, finishedAt, lsn, host, file, format, bytes, sha256, manifestSha256],
    ...[proof, pgDumpVersion, serverVersion],
    JSON.stringify(tables.map(({ sql }) => sql)),
  ]);
  const id = Number(row?.id);
  const facts = { digests: withoutStates(manifest.facts), standing };
  await writeRecord(session, facts, { command: 'backup', backup: id });
  return id;
}

/** What nobody has explained: a connection that was lost, a server that went down, a table that was dropped meanwhile. */
function brokeOff({ settings: { database } }: Target, error: unknown): UndropError {
  if (isUndropError(error) && error.code !== 'server-error' && error.code !== 'no-connection') return error;
  return new UndropError('backup-failed', {
    subject: database,
    message: `The backup of ${database} broke off.`,
    reason: reasonOf(error),
    next: 'Take it again when the cause is gone; nothing is left of this one. DEBUG=1 shows where it happened.',
    cause: error,
  });
}

function unrecorded(file: string, error: unknown): UndropError {
  return new UndropError('backup-failed', {
    subject: file,
    message: `The backup ${file} is whole, but it is not known whether it was recorded.`,
    reason: reasonOf(error),
    next: 'See npm run status; where it does not show it, take another backup.',
    cause: error,
  });
}

function reasonOf(error: unknown): string {
  const text = isUndropError(error) ? error.reason : error instanceof Error ? error.message : String(error);
  // The driver's own words, which have no code.
  return /^connection terminated|not queryable/i.test(text) ? 'The connection to the server was lost.' : text;
}
