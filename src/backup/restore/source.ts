import type { Target } from '../../knex/target.ts';
import { readTableOfContents, withLists } from '../contents/table-of-contents.ts';
import type { OpenedBackup } from '../open-backup.ts';
import { findPgDump } from '../programs/find-pg-dump.ts';
import { findPgRestore, type PgRestoreOptions, startPgRestore } from '../programs/pg-restore.ts';
import { checkPrerequisites } from './check-prerequisites.ts';
import { jobs, restoreInto } from './restore-into.ts';
import { withScratch } from './scratch.ts';

/** A backup that was unpacked to read one of its tables. */
export interface Source {
  /** A database with all objects of the backup and the states of its sequences. From a plain backup also with all rows. */
  readonly schema: Target;
  /** Restores the rows of tables into a scratch database, which is dropped when `work` ends. */
  withRows<T>(
    tables: readonly { schema: string; name: string }[],
    work: (rows: Target) => Promise<T>,
  ): Promise<T>;
}

/**
 * Unpacks a backup into scratch databases on the server of the target. Rows are restored into a database without foreign
 * keys, since the rows of one table alone would violate them. A plain backup can only be replayed as a whole.
 */
export async function withSource<T>(
  target: Target,
  { file, manifest }: OpenedBackup,
  signal: AbortSignal | undefined,
  work: (source: Source) => Promise<T>,
): Promise<T> {
  if (manifest.format === 'plain') {
    const replay = async (whole: Target): Promise<T> => {
      await restoreInto(file, manifest, whole, { signal });
      return work({ schema: whole, withRows: (_, read) => read(whole) });
    };
    return withScratch(target, manifest.database, 'restore', replay, signal);
  }
  await checkPrerequisites(target, manifest);
  const program = await findPgRestore(await findPgDump());
  const run = (into: Target, args: readonly string[]) => {
    const options: PgRestoreOptions = { args, file, into: into.settings, signal };
    return startPgRestore(program, options).ended;
  };
  return withScratch(target, manifest.database, 'restore', async (schema) => {
    await run(schema, ['--schema-only', `--jobs=${jobs}`]);
    await withSequences(program, file, (list) => run(schema, ['--data-only', `--use-list=${list}`]));
    return work({
      schema,
      withRows: (tables, read) =>
        withScratch(target, manifest.database, 'rows', async (rows) => {
          await run(rows, ['--section=pre-data']);
          for (const { schema: namespace, name } of tables) {
            await run(rows, ['--data-only', `--schema=${namespace}`, `--table=${name}`]);
          }
          return read(rows);
        }),
    });
  });
}

/** Calls `work` with a list for pg_restore of the states of sequences, if the backup has any. */
async function withSequences(
  program: string,
  file: string,
  work: (list: string) => Promise<void>,
): Promise<void> {
  const contents = await readTableOfContents(program, file);
  const sequences = contents.filter((line) => /^\d+; \d+ \d+ SEQUENCE SET /.test(line));
  if (sequences.length > 0) await withLists([sequences], ([list = '']) => work(list));
}
