import { sideBySide } from '../../text/side-by-side.ts';
import type { BackupFormat } from '../manifest.ts';
import type { PgDump } from '../programs/find-pg-dump.ts';
import { findPgRestore, type PgRestoreOptions, startPgRestore } from '../programs/pg-restore.ts';
import type { ExpectedTable } from './dump-statements.ts';
import { openPlain } from './plain-file.ts';
import { shareOut } from './shares.ts';
import { readTableOfContents, withLists } from './table-of-contents.ts';

/** The format and compression of a backup. */
export interface Packing {
  readonly format: BackupFormat;
  /** Whether a plain backup is compressed with gzip. The other formats record their compression themselves. */
  readonly compressed: boolean;
}

/**
 * Reads a backup of any format as SQL. A custom or directory backup is read in two concurrent shares if that is faster;
 * together the shares are the whole backup.
 *
 * @param read reads one share; if it throws, the other share is stopped
 * @param tables the expected tables; their numbers of rows are used to balance the shares
 * @param pgDump the program that wrote the backup, since pg_restore must not be older; default: the first one found
 * @throws UndropError `backup-unproved` or `backup-failed` if pg_restore fails; Error if the file cannot be read
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
  // Awaited only after the output: a rejection must not be reported as unhandled before.
  ended.catch(() => undefined);
  yield* output;
  await ended;
}
