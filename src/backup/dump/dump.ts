import type { Knex } from 'knex';
import type { EmbeddedServer } from '../../knex/embedded.ts';
import type { Target } from '../../knex/target.ts';
import { inSession, type Session } from '../../session/session.ts';
import { sideBySide } from '../../text/side-by-side.ts';
import { unlessAborted } from '../../text/unless-aborted.ts';
import { type Draft, writeDraft } from '../backup-file.ts';
import { type Measured, measure, measureGrowing } from '../measure.ts';
import { type PgDump, pgDumpFor } from '../programs/find-pg-dump.ts';
import { couldNotLock, runPgDump } from '../programs/pg-dump.ts';
import { type DumpPlan, dumpArguments } from './dump-plan.ts';
import { type Progress, watchProgress } from './dump-progress.ts';
import {
  type Contents,
  exportSnapshot,
  lockTimeout,
  readContents,
  type SnapshotTable,
  type Tally,
  takeTally,
} from './snapshot.ts';

export interface DumpHooks {
  /** Called once a second. */
  onProgress?: (progress: Progress) => void;
  /** Stops the dump; its reason is thrown. */
  signal?: AbortSignal;
}

/** The result of a dump. */
export interface Dumped {
  readonly contents: Contents;
  readonly tally: Tally;
  /** Undefined if the embedded server wrote the dump. */
  readonly pgDump: PgDump | undefined;
  readonly pgDumpVersion: string;
  /** Size and hash of the draft. */
  readonly measured: Measured;
}

/**
 * Dumps a database into a draft. The contents and the tally are read in the same snapshot.
 *
 * @throws UndropError `bad-options`, `backup-failed`, `insufficient-privilege`, `lock-timeout`
 */
export async function dump(
  knex: Knex,
  target: Target,
  serverMajor: number,
  plan: DumpPlan,
  draft: Draft,
  hooks: DumpHooks,
): Promise<Dumped> {
  const { embedded } = target;
  if (embedded !== undefined) return dumpEmbedded(knex, embedded, serverMajor, plan, draft);
  const pgDump = await pgDumpFor(serverMajor);
  const found = await inSession(
    knex,
    async (session) => {
      const contents = await readContents(session, plan.lockTimeoutMs);
      const args = dumpArguments(plan, pgDump, {
        snapshot: await exportSnapshot(session),
        folder: draft.partial,
        asUtf8: needsUtf8(plan, contents),
      });
      const begun = performance.now();
      const [tally, measured] = await sideBySide(
        [
          (signal) => tallyUntil(knex, session, contents.tables, signal),
          (signal) => runInto(draft, target, pgDump, args, plan, contents.tables, { ...hooks, signal }),
        ],
        hooks.signal,
      ).catch(async (error: unknown) => {
        const isTimeout = isLockTimeout(error, performance.now() - begun, plan);
        throw isTimeout ? await lockTimeout(session, contents.tables, plan.lockTimeoutMs) : error;
      });
      return { contents, tally, measured };
    },
    { oneSnapshot: true },
  );
  // After the session, because its locks block changes of the tables' structure.
  const measured = found.measured ?? (await unlessAborted(hooks.signal, measure(draft.partial)));
  return { ...found, pgDump, pgDumpVersion: pgDump.version, measured };
}

/** The embedded server takes one client at a time, so nothing changes between reading the contents and the dump. */
async function dumpEmbedded(
  knex: Knex,
  embedded: EmbeddedServer,
  serverMajor: number,
  plan: DumpPlan,
  draft: Draft,
): Promise<Dumped> {
  const found = await inSession(
    knex,
    async (session) => {
      const contents = await readContents(session, plan.lockTimeoutMs);
      return { contents, tally: await takeTally(session, contents.tables) };
    },
    { oneSnapshot: true },
  );
  const text = await embedded.dump();
  await writeDraft(draft, (output) => output.writeFile(text));
  const measured = await measure(draft.partial);
  return { ...found, pgDump: undefined, pgDumpVersion: `${serverMajor} (PGlite)`, measured };
}

/** Reads the tally in a savepoint, so that the session remains usable if it fails or is cancelled. */
async function tallyUntil(
  knex: Knex,
  session: Session,
  tables: readonly SnapshotTable[],
  signal: AbortSignal,
): Promise<Tally> {
  const [own] = await session.read<{ pid: number }>('select pg_catalog.pg_backend_pid() as pid');
  let cancelled: Promise<unknown> | undefined;
  const cancel = (): void => {
    // If this fails, the count runs to its end.
    cancelled = knex.raw('select pg_catalog.pg_cancel_backend(?)', [own?.pid ?? 0]).catch(() => undefined);
  };
  signal.addEventListener('abort', cancel);
  try {
    return await session.attempt(() => takeTally(session, tables, signal));
  } finally {
    signal.removeEventListener('abort', cancel);
    await cancelled;
  }
}

/** Runs pg_dump. Returns size and hash of the draft if they can be computed while it is written, or undefined. */
async function runInto(
  draft: Draft,
  { settings }: Target,
  pgDump: PgDump,
  args: readonly string[],
  plan: DumpPlan,
  tables: readonly SnapshotTable[],
  { onProgress, signal }: DumpHooks & { signal: AbortSignal },
): Promise<Measured | undefined> {
  const watch = watchProgress(draft.partial, tables, plan.jobs, (progress) => onProgress?.(progress));
  const { onTable } = watch;
  const run = { pgDump, connection: settings, args, onTable, signal };
  try {
    if (plan.format === 'directory') {
      await runPgDump({ ...run, output: undefined });
      return undefined;
    }
    const written = writeDraft(draft, (output) => runPgDump({ ...run, output }));
    // In a custom dump pg_dump rewrites the table of contents at the beginning of the file when it ends.
    const growing = plan.format === 'plain' ? measureGrowing(draft.partial, written) : undefined;
    const [, measured] = await Promise.all([written, growing]);
    return measured;
  } finally {
    watch.stop();
  }
}

/**
 * Whether the dump must be in UTF-8, which the proofs read. In the other formats only the names are read. SQL_ASCII has no
 * conversion.
 */
function needsUtf8({ format }: DumpPlan, { database, tables, objects }: Contents): boolean {
  if (['UTF8', 'SQL_ASCII'].includes(database.encoding)) return false;
  const names = [...tables.flatMap(({ schema, name }) => [schema, name]), ...objects.map(({ name }) => name)];
  return format === 'plain' || names.some((name) => /[^ -~]/.test(name));
}

/**
 * Whether pg_dump or the count timed out: another session may have requested a lock between our lock and theirs. A pg_dump
 * that could not lock a table before that time found no space for the lock.
 */
function isLockTimeout(error: unknown, ms: number, { lockTimeoutMs }: DumpPlan): boolean {
  return couldNotLock(error) ? ms >= lockTimeoutMs : (error as { code?: string }).code === '55P03';
}
