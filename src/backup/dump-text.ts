import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { findPgDump, type PgDump } from './find-pg-dump.ts';
import type { BackupFormat } from './pg-dump.ts';
import { runPgRestore } from './pg-restore.ts';

/** How a backup is packed. */
export interface Packing {
  readonly format: BackupFormat;
  /** Whether SQL is packed by gzip; the other formats know themselves how they are packed. */
  readonly compressed: boolean;
}

/**
 * A backup as SQL, whatever its format.
 *
 * @param args what pg_restore is to choose of it; of SQL nothing can be chosen
 * @throws Error where it cannot be read; UndropError `backup-failed` where there is no pg_restore
 */
export async function* dumpText(
  file: string,
  { format, compressed }: Packing,
  {
    pgDump,
    args = [],
    signal,
  }: { pgDump?: PgDump | undefined; args?: readonly string[]; signal?: AbortSignal | undefined },
): AsyncGenerator<Buffer> {
  if (format !== 'plain') {
    const program = pgDump ?? (await findPgDump());
    yield* runPgRestore(program, { args: [...args, '--file=-', file], signal });
    return;
  }
  const input = createReadStream(file, { highWaterMark: 1 << 18, signal });
  if (!compressed) return yield* input;
  const unpacked = createGunzip({ chunkSize: 1 << 18 });
  input.once('error', (error) => unpacked.destroy(error));
  yield* input.pipe(unpacked);
}
