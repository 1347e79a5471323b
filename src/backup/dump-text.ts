import type { PgDump } from './find-pg-dump.ts';
import type { BackupFormat } from './pg-dump.ts';
import { findPgRestore, startPgRestore } from './pg-restore.ts';
import { openPlain } from './plain-file.ts';

/** How a backup is packed. */
export interface Packing {
  readonly format: BackupFormat;
  /** Whether SQL is packed by gzip; the other formats know themselves how they are packed. */
  readonly compressed: boolean;
}

/**
 * A backup as SQL, whatever its format.
 *
 * @param pgDump the one that wrote it, since pg_restore must not be older; default: the one that is found first
 * @throws UndropError `backup-unproved` and `backup-failed` as pg_restore does; Error as the file does
 */
export async function* dumpText(
  file: string,
  { format, compressed }: Packing,
  pgDump?: PgDump,
): AsyncGenerator<Buffer> {
  if (format === 'plain') return yield* openPlain(file, compressed);
  const { output, ended } = startPgRestore(await findPgRestore(pgDump), { args: [], file });
  // It is waited for at the end; until then nobody listens.
  ended.catch(() => undefined);
  yield* output;
  await ended;
}
