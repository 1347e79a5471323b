import { availableParallelism } from 'node:os';
import { UndropError } from '../../errors.ts';
import type { BackupFormat } from '../manifest.ts';
import type { PgDump } from '../programs/find-pg-dump.ts';

export interface DumpOptions {
  /** Default `custom`; the embedded server has only `plain`. */
  format?: BackupFormat | undefined;
  /** How many tables a directory is filled with at once. Default: one a processor, at most 4. */
  jobs?: number | undefined;
  /** As that pg_dump takes it: `0` to `9`, or from 16 on also `zstd:3` and the like. Default: pg_dump's own. */
  compress?: string | undefined;
  /** The longest wait for the lock of a table: `500ms`, `30s`, `5min`. Default `30s`, so that none waits forever. */
  lockWaitTimeout?: string | undefined;
}

/** What is to be written, and how. */
export interface DumpPlan {
  readonly format: BackupFormat;
  readonly jobs: number;
  readonly compress: string | undefined;
  /** Whether the SQL is packed by gzip. The other formats know themselves how they are packed. */
  readonly compressed: boolean;
  /** Of the file or folder, without a dot. */
  readonly extension: string;
  readonly lockTimeoutMs: number;
}

/** @throws UndropError `bad-options`, which lists all mistakes */
export function planDump(options: DumpOptions, embedded: boolean): DumpPlan {
  const { jobs, compress, lockWaitTimeout = '30s' } = options;
  const format = options.format ?? (embedded ? 'plain' : 'custom');
  const problems: string[] = [];
  if (embedded) {
    if (format !== 'plain') problems.push(`The embedded server writes plain backups only, not ${format}.`);
    if (compress !== undefined) problems.push('The embedded server compresses nothing.');
  }
  if (jobs !== undefined && format !== 'directory') {
    problems.push(`Only the format directory takes jobs; a ${format} backup is written by one.`);
  }
  if (jobs !== undefined && !(Number.isInteger(jobs) && jobs >= 1 && jobs <= 64)) {
    problems.push('The number of jobs is not one from 1 to 64.');
  }
  const compressed = format === 'plain' && compress !== undefined && !/^(0|none)$/.test(compress);
  if (compressed && !/^(\d|gzip(:.*)?)$/.test(compress)) {
    problems.push(
      `Plain backups are packed by gzip only, not by ${compress}: they are read here without tools.`,
    );
  }
  const lockTimeoutMs = milliseconds(lockWaitTimeout);
  if (!(lockTimeoutMs > 0 && lockTimeoutMs < 2 ** 31)) {
    problems.push(`The wait for a lock is not a time such as 500ms, 30s or 5min: ${lockWaitTimeout}`);
  }
  if (problems.length > 0) throw badOptions(problems);
  return {
    format,
    jobs: format === 'directory' ? (jobs ?? Math.min(4, availableParallelism())) : 1,
    compress,
    compressed,
    extension: { custom: 'dump', directory: 'dir', plain: compressed ? 'sql.gz' : 'sql' }[format],
    lockTimeoutMs,
  };
}

/**
 * pg_dump's arguments. A folder it fills itself; all else comes on its standard output.
 *
 * @throws UndropError `bad-options` where it knows no such compression
 */
export function dumpArguments(plan: DumpPlan, pgDump: PgDump, snapshot: string, folder: string): string[] {
  const { format, jobs, compress, lockTimeoutMs } = plan;
  if (compress !== undefined && pgDump.major < 16 && !/^\d$/.test(compress)) {
    throw badOptions([
      `pg_dump ${pgDump.version} compresses at the levels 0 to 9 only; it cannot take ${compress}.`,
    ]);
  }
  return [
    '--verbose',
    '--no-password',
    `--format=${format}`,
    `--snapshot=${snapshot}`,
    `--lock-wait-timeout=${lockTimeoutMs}`,
    ...(compress === undefined ? [] : [`--compress=${compress}`]),
    // Its files are closed to others first, and only then written to the disk for good.
    ...(format === 'directory' ? [`--jobs=${jobs}`, '--no-sync', `--file=${folder}`] : []),
  ];
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 };

function milliseconds(text: string): number {
  const [, amount, unit = 'ms'] = /^(\d+)(ms|s|min|h)?$/.exec(text) ?? [];
  return Number(amount) * (units[unit] ?? 0);
}

function badOptions(problems: readonly string[]): UndropError {
  return new UndropError('bad-options', {
    subject: 'backup',
    message: 'The backup cannot be written as the options say.',
    reason: problems.join('\n'),
    next: 'Correct the options; backup --help lists them.',
  });
}
