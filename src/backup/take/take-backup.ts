import { hostname } from 'node:os';
import { basename, resolve } from 'node:path';
import type { Knex } from 'knex';
import { changeArchive } from '../../archive/change-archive.ts';
import { ensureArchive, placeSql } from '../../archive/schema.ts';
import { writeRecord } from '../../baseline/records.ts';
import { inArchive } from '../../catalog/archive-schemas.ts';
import { withoutStates } from '../../catalog/facts/fact-digests.ts';
import { isUndropError, sqlState, UndropError } from '../../errors.ts';
import type { Target } from '../../knex/target.ts';
import { inSession, type Session } from '../../session/session.ts';
import { commandLine } from '../../text/command-line.ts';
import { say } from '../../text/log.ts';
import { printable } from '../../text/printable.ts';
import { claimDraft, discardDraft, findDrafts, publishDraft, settleDraft } from '../backup-file.ts';
import { type Dumped, type DumpHooks, dump } from '../dump/dump.ts';
import { type DumpOptions, planDump } from '../dump/dump-plan.ts';
import { formatManifest, type Manifest, manifestOf } from '../manifest.ts';
import { hashOf } from '../measure.ts';
import { couldNotLock } from '../programs/pg-dump.ts';
import { type ProofOptions, prove } from '../proof/prove.ts';

export interface BackupOptions extends DumpOptions, ProofOptions, DumpHooks {
  /** The folder for backups. Created with access for its owner only if it does not exist. */
  folder: string;
}

/** A backup that was written and recorded. */
export interface Backup
  extends Omit<
    Manifest,
    'manifestVersion' | 'database' | 'files' | 'tables' | 'prerequisites' | 'factsVersion' | 'facts'
  > {
  /** Its ID in the archive. */
  readonly id: number;
  /** The absolute path. */
  readonly file: string;
  readonly manifest: string;
  readonly manifestSha256: string;
  /** The number of its tables, without those of the archive. */
  readonly tables: number;
  readonly seconds: number;
}

/**
 * Dumps the whole database in one snapshot, proves the file and writes its manifest. Records the backup in the archive with
 * its tables, for `requireBackup`, and with the facts of all objects, for `verify`. If a step fails, the backup is removed.
 *
 * @throws UndropError `bad-options`, `backup-failed`, `backup-unproved`, `insufficient-privilege`, `lock-timeout`
 */
export async function backup(knex: Knex, target: Target, options: BackupOptions): Promise<Backup> {
  const start = performance.now();
  const plan = planDump(options, target.embedded !== undefined);
  // The path is recorded, so it must not depend on the current directory.
  const folder = resolve(options.folder);
  const began = await inSession(knex, begin);
  await reportDrafts(folder);
  const draft = await claimDraft(folder, plan, new Date(began.startedAt));
  try {
    const dumped = await dump(knex, target, began.serverMajor, plan, draft, options);
    const finishedAt = await inSession(knex, (session) => readClock(session, began.startedAt));
    await settleDraft(draft);
    const unproved = describe(began, finishedAt, dumped, { file: basename(draft.file), format: plan.format });
    const manifest = {
      ...unproved,
      ...(await prove(target, draft.partial, unproved, dumped.contents.objects, options, dumped.pgDump)),
    };
    const text = formatManifest(manifest);
    const id = await inSession(knex, async (session) => {
      const recorded = await changeArchive(session, () =>
        record(session, draft.file, manifest, hashOf(text), dumped),
      );
      await publishDraft(draft, text);
      return recorded;
    });
    const { manifestVersion, database, files, tables, prerequisites, factsVersion, facts, ...described } =
      manifest;
    return {
      ...described,
      id,
      file: draft.file,
      manifest: manifestOf(draft.file),
      manifestSha256: hashOf(text),
      tables: tables.filter(({ schema }) => !inArchive(schema)).length,
      seconds: (performance.now() - start) / 1000,
    };
  } catch (error) {
    const hasName = await discardDraft(draft);
    // A stopped session fails with an error of its own; the reason of the signal takes precedence.
    if (!hasName) options.signal?.throwIfAborted();
    throw hasName ? unrecorded(draft.file, error) : failed(target, error);
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
  // Before the snapshot, which therefore includes everything that was committed up to this position.
  const [start] = await session.read<{ startedAt: string; lsn: string }>(
    `select pg_catalog.clock_timestamp() as "startedAt", pg_catalog.pg_current_wal_lsn() as lsn`,
  );
  if (start === undefined) throw new Error('The query of the start time returned no row.');
  return { ...start, serverVersion: session.server.version, serverMajor: session.server.major };
}

/** Returns the time of the server's clock, or `startedAt` if the clock was set back meanwhile. */
async function readClock(session: Session, startedAt: string): Promise<string> {
  const [row] = await session.read<{ now: string }>(
    'select greatest($1::timestamptz, pg_catalog.clock_timestamp()) as now',
    [startedAt],
  );
  return row?.now ?? startedAt;
}

/** Logs the drafts in the folder. They are not removed, since another process may be writing them. */
async function reportDrafts(folder: string): Promise<void> {
  for (const { path, seconds } of await findDrafts(folder)) {
    say(
      `${printable(path)} is an incomplete backup: it is being written, or the process that wrote it was killed. ` +
        `It was last changed ${Math.max(0, Math.round(seconds))} s ago. If no backup is running: rm -r '${printable(path)}'`,
    );
  }
}

function describe(
  { startedAt, lsn, serverVersion }: Began,
  finishedAt: string,
  { contents, tally, pgDumpVersion, measured }: Dumped,
  named: Pick<Manifest, 'file' | 'format'>,
): Manifest {
  const { database, takenBy, tables, prerequisites } = contents;
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
    tables: tables.map(({ schema, name, root }, index) => {
      return { schema, name, rows: tally.rows[index] ?? 0, ...(root === undefined ? {} : { root }) };
    }),
    prerequisites,
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
  { contents: { tables, standing, surroundings } }: Dumped,
): Promise<number> {
  const { startedAt, finishedAt, lsn, host, format, bytes, sha256 } = manifest;
  const { proof, pgDumpVersion, serverVersion } = manifest;
  const [row] = await session.write<{ id: string }>(recordSql, [
    ...[startedAt, finishedAt, lsn, host, file, format, bytes, sha256, manifestSha256],
    ...[proof, pgDumpVersion, serverVersion],
    JSON.stringify(tables.map(({ sql }) => sql)),
  ]);
  const id = Number(row?.id);
  const facts = { digests: withoutStates(manifest.facts), surroundings, standing };
  await writeRecord(session, facts, { command: 'backup', backup: id });
  return id;
}

/** Wraps errors without an explanation: a lost connection, a server shutdown, a table that was dropped meanwhile. */
function failed({ settings: { database } }: Target, error: unknown): UndropError {
  const locks = noLocks(error);
  if (isUndropError(error) && locks === undefined && !['server-error', 'no-connection'].includes(error.code))
    return error;
  return new UndropError('backup-failed', {
    subject: database,
    message: `The backup of ${database} failed.`,
    reason: reasonOf(error),
    next: `${locks ?? 'Fix the cause'} and take the backup again. This one was removed. DEBUG=1 prints a stack trace.`,
    cause: error,
  });
}

// https://www.postgresql.org/docs/current/runtime-config-locks.html
function noLocks(error: unknown): string | undefined {
  const state = sqlState(isUndropError(error) ? error.cause : error);
  return state === '53200' || couldNotLock(error)
    ? 'A backup locks every table: if the reason is out of shared memory, raise max_locks_per_transaction, restart the server'
    : undefined;
}

function unrecorded(file: string, error: unknown): UndropError {
  return new UndropError('backup-failed', {
    subject: file,
    message: `The backup ${file} is complete, but it is unknown whether it was recorded.`,
    reason: reasonOf(error),
    next: `Run ${commandLine('backup', '--list')}. If the backup is not listed, take another one.`,
    cause: error,
  });
}

function reasonOf(error: unknown): string {
  const text = isUndropError(error) ? error.reason : error instanceof Error ? error.message : String(error);
  // Errors of the driver have no code.
  return /^connection terminated|not queryable/i.test(text) ? 'The connection to the server was lost.' : text;
}
