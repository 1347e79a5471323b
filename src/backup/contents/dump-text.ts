import { sideBySide } from '../../text/side-by-side.ts';
import type { BackupFormat } from '../manifest.ts';
import type { PgDump } from '../programs/find-pg-dump.ts';
import { findPgRestore, type PgRestoreOptions, startPgRestore } from '../programs/pg-restore.ts';
import type { ExpectedTable } from './dump-statements.ts';
import { openPlain } from './plain-file.ts';
import { shareOut } from './shares.ts';
import { readTableOfContents, withLists } from './table-of-contents.ts';

/** How a backup is packed. */
export interface Packing {
  readonly format: BackupFormat;
  /** Whether SQL is packed by gzip; the other formats know themselves how they are packed. */
  readonly compressed: boolean;
}

/**
 * Reads a backup as SQL, whatever its format. One that pg_dump has packed is read in two shares at the same time where
 * that is quicker; together they are all of it.
 *
 * @param read takes one share; what it throws stops the other
 * @param tables what is expected, from which the shares are made even
 * @param pgDump the one that wrote it, since pg_restore must not be older; default: the one that is found first
 * @throws UndropError `backup-unproved` and `backup-failed` as pg_restore does; Error as the file does
 */
export async function readDumpText<T>(
  file: string,
  { format, compressed }: Packing,
  read: (text: AsyncIterable<Buffer>) => Promise<T>,
  tables: readonly ExpectedTable[],
  pgDump?: PgDump,
): Promise<T[]> {
  if (format === 'plain') return [await read(openPlain(file, compressed))];
  const program = await findPgRestore(pgDump);
  const shares = shareOut(await readTableOfContents(program, file), tables);
  const unpack = (args: readonly string[]) => (signal: AbortSignal) =>
    read(unpacked(program, { args, file, signal }));
  if (shares.length === 1) return sideBySide([unpack([])]);
  return withLists(shares, (lists) => sideBySide(lists.map((list) => unpack([`--use-list=${list}`]))));
}

async function* unpacked(program: string, options: PgRestoreOptions): AsyncGenerator<Buffer> {
  const { output, ended } = startPgRestore(program, options);
  // It is waited for at the end; until then nobody listens.
  ended.catch(() => undefined);
  yield* output;
  await ended;
}
