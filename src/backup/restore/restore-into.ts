import { availableParallelism } from 'node:os';
import type { Target } from '../../knex/target.ts';
import { openPlain } from '../contents/plain-file.ts';
import type { Manifest } from '../manifest.ts';
import { findPgDump, type PgDump } from '../programs/find-pg-dump.ts';
import { findPgRestore, startPgRestore } from '../programs/pg-restore.ts';
import { checkPrerequisites } from './check-prerequisites.ts';
import { replayPlain } from './replay-plain.ts';
import { withClient } from './scratch.ts';

/** The number of jobs of pg_restore: the number of processors, at most 4. */
export const jobs = String(Math.min(4, availableParallelism()));

/**
 * Restores a whole backup into an empty database.
 *
 * @param pgDump the program that wrote the backup, since pg_restore must not be older; default: the first one found
 * @throws UndropError `backup-unproved`, `prerequisite-gone`, `backup-failed`
 */
export async function restoreInto(
  file: string,
  manifest: Pick<Manifest, 'format' | 'file' | 'prerequisites'>,
  into: Target,
  { pgDump, signal }: { pgDump?: PgDump | undefined; signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const { format, file: name } = manifest;
  await checkPrerequisites(into, manifest);
  if (format === 'plain') {
    // Opened once it is read, because nothing handles an error of the stream until then.
    await withClient(into, (client) => replayPlain(client, openPlain(file, name.endsWith('.gz'))));
    return;
  }
  const program = await findPgRestore(pgDump ?? (await findPgDump()));
  await startPgRestore(program, { args: [`--jobs=${jobs}`], file, into: into.settings, signal }).ended;
}
