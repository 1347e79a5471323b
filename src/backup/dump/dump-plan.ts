import { availableParallelism } from 'node:os';
import { UndropError } from '../../errors.ts';
import { commandLine } from '../../text/command-line.ts';
import { parseDuration } from '../../text/units.ts';
import type { BackupFormat } from '../manifest.ts';
import type { PgDump } from '../programs/find-pg-dump.ts';

export interface DumpOptions {
  /** Default `custom`; the embedded server has only `plain`. */
  format?: BackupFormat | undefined;
  /** The number of tables that are dumped concurrently into a directory. Default: the number of processors, at most 4. */
  jobs?: number | undefined;
  /** The argument of pg_dump's `--compress`: `0` to `9`, since 16 also `zstd:3` and the like. Default: pg_dump's. */
  compress?: string | undefined;
  /** The maximum wait for the lock of a table: `500ms`, `30s`, `5min`. Default `30s`. */
  lockWaitTimeout?: string | undefined;
}

/** The checked options of a dump. */
export interface DumpPlan {
  readonly format: BackupFormat;
  readonly jobs: number;
  readonly compress: string | undefined;
  /** Whether a plain dump is compressed with gzip. The other formats record their compression themselves. */
  readonly compressed: boolean;
  /** The extension of the file or directory, without a dot. */
  readonly extension: string;
  readonly lockTimeoutMs: number;
}

/**
 * Checks the options of a dump and fills in the defaults.
 *
 * @throws UndropError `bad-options`, which lists all mistakes
 */
export function planDump(options: DumpOptions, embedded: boolean): DumpPlan {
  const { jobs, compress, lockWaitTimeout = '30s' } = options;
  const format = options.format ?? (embedded ? 'plain' : 'custom');
  const problems: string[] = [];
  if (embedded) {
    if (format !== 'plain')
      problems.push(`The embedded server supports only the format plain, not ${format}.`);
    if (compress !== undefined) problems.push('The embedded server does not support --compress.');
  }
  if (jobs !== undefined && format !== 'directory') {
    problems.push(`--jobs requires the format directory, not ${format}.`);
  }
  if (jobs !== undefined && !(Number.isInteger(jobs) && jobs >= 1 && jobs <= 64)) {
    problems.push('--jobs requires a number from 1 to 64.');
  }
  const compressed = format === 'plain' && compress !== undefined && !/^(0|none)$/.test(compress);
  if (compressed && !/^(\d|gzip(:.*)?)$/.test(compress)) {
    problems.push(`Plain backups support only gzip compression, not ${compress}.`);
  }
  // Without a unit it is in milliseconds, as for pg_dump.
  const lockTimeoutMs = parseDuration(lockWaitTimeout.replace(/\d$/, '$&ms')) ?? 0;
  if (!(lockTimeoutMs > 0 && lockTimeoutMs < 2 ** 31)) {
    problems.push(`--lock-wait-timeout requires a time such as 500ms, 30s or 5min, not ${lockWaitTimeout}.`);
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
 * Returns the arguments of pg_dump. It writes a directory itself; the other formats go to its standard output.
 *
 * @param asUtf8 whether to convert the dump to UTF-8
 * @throws UndropError `bad-options` if this version of pg_dump does not support the compression
 */
export function dumpArguments(
  plan: DumpPlan,
  pgDump: PgDump,
  { snapshot, folder, asUtf8 }: { snapshot: string; folder: string; asUtf8: boolean },
): string[] {
  const { format, jobs, compress, lockTimeoutMs } = plan;
  if (compress !== undefined && pgDump.major < 16 && !/^\d$/.test(compress)) {
    throw badOptions([
      `pg_dump ${pgDump.version} supports only the compression levels 0 to 9, not ${compress}.`,
    ]);
  }
  return [
    '--verbose',
    '--no-password',
    `--format=${format}`,
    `--snapshot=${snapshot}`,
    `--lock-wait-timeout=${lockTimeoutMs}`,
    ...(asUtf8 ? ['--encoding=UTF8'] : []),
    ...(compress === undefined ? [] : [`--compress=${compress}`]),
    // The files are synced after their permissions have been restricted.
    ...(format === 'directory' ? [`--jobs=${jobs}`, '--no-sync', `--file=${folder}`] : []),
  ];
}

function badOptions(problems: readonly string[]): UndropError {
  return new UndropError('bad-options', {
    subject: 'backup',
    message: 'The options of the backup are invalid.',
    reason: problems.join('\n'),
    next: `Correct the options; ${commandLine('backup', '--help')} lists them.`,
  });
}
