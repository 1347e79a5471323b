import type { Knex } from 'knex';
import { isUndropError } from '../../errors.ts';
import type { EmbeddedServer } from '../../knex/embedded.ts';
import type { Target } from '../../knex/target.ts';
import { inSession, type Session } from '../../session/session.ts';
import { sideBySide } from '../../text/side-by-side.ts';
import { unlessAborted } from '../../text/unless-aborted.ts';
import { type Draft, writeDraft } from '../backup-file.ts';
import { type Measured, measure, measureGrowing } from '../measure.ts';
import { type PgDump, pgDumpFor } from '../programs/find-pg-dump.ts';
import { runPgDump } from '../programs/pg-dump.ts';
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
  /** Told once a second how far it is. */
  onProgress?: (progress: Progress) => void;
  /** Stops it; what it carries is thrown. */
  signal?: AbortSignal;
}

/** What has been dumped. */
export interface Dumped {
  readonly contents: Contents;
  readonly tally: Tally;
  /** None where it was the embedded server that wrote it. */
  readonly pgDump: PgDump | undefined;
  readonly pgDumpVersion: string;
  /** Of the draft. */
  readonly measured: Measured;
}

/**
 * Writes a database into a draft as it is at one moment, of which its contents tell too.
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
      const args = dumpArguments(plan, pgDump, await exportSnapshot(session), draft.partial);
      const [tally, measured] = await sideBySide(
        [
          (signal) => tallyUntil(knex, session, contents.tables, signal),
          (signal) => runInto(draft, target, pgDump, args, plan, contents.tables, { ...hooks, signal }),
        ],
        hooks.signal,
      ).catch(async (error: unknown) => {
        throw isLockTimeout(error) ? await lockTimeout(session, contents.tables, plan.lockTimeoutMs) : error;
      });
      return { contents, tally, measured };
    },
    { oneSnapshot: true },
  );
  // Not in the session, which keeps others from altering the tables.
  const measured = found.measured ?? (await unlessAborted(hooks.signal, measure(draft.partial)));
  return { ...found, pgDump, pgDumpVersion: pgDump.version, measured };
}

/** It takes one client at a time, so that nothing changes between the look and the dump. */
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

/** In a savepoint, so that the session is of use afterwards. */
async function tallyUntil(
  knex: Knex,
  session: Session,
  tables: readonly SnapshotTable[],
  signal: AbortSignal,
): Promise<Tally> {
  const [own] = await session.read<{ pid: number }>('select pg_catalog.pg_backend_pid() as pid');
  let cancelled: Promise<unknown> | undefined;
  const cancel = (): void => {
    // Where this fails, the count is waited for.
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

/** Measures what can be measured while it is written. */
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
    // To a custom one pg_dump adds, at the end, its list of contents at the beginning.
    const growing = plan.format === 'plain' ? measureGrowing(draft.partial, written) : undefined;
    const [, measured] = await Promise.all([written, growing]);
    return measured;
  } finally {
    watch.stop();
  }
}

/** pg_dump's own request, or the count's: whoever asked for the table meanwhile comes before them. */
function isLockTimeout(error: unknown): boolean {
  if (isUndropError(error)) return error.code === 'backup-failed' && error.reason.includes('LOCK TABLE');
  return (error as { code?: string }).code === '55P03';
}
