import { UndropError } from '../errors.ts';
import { unlessAborted } from '../interruptible.ts';
import type { PgDump } from './find-pg-dump.ts';
import type { Manifest, Proof } from './manifest.ts';
import { proveContents } from './proof.ts';

/** What can be asked for. The seam for `restore`: proveRestore(file, manifest, where, pgDump). */
export const proofs = ['off', 'contents'] as const satisfies readonly Proof[];

export interface ProofOptions {
  /** Default `contents`. */
  prove?: (typeof proofs)[number] | undefined;
  /** Stops it; what it carries is thrown. */
  signal?: AbortSignal;
}

/**
 * Shows that a backup holds what its manifest says.
 *
 * @param file where it lies now
 * @param pgDump the one that wrote it; none where that was the embedded server
 * @returns what its manifest can say from now on
 * @throws UndropError `backup-unproved`
 */
export async function prove(
  file: string,
  manifest: Manifest,
  { prove = 'contents', signal }: ProofOptions,
  pgDump: PgDump | undefined,
): Promise<Pick<Manifest, 'proof' | 'differences'>> {
  if (prove === 'off') return { proof: 'off', differences: [] };
  const { format, database, tables } = manifest;
  try {
    const how = { format, compressed: manifest.file.endsWith('.gz') };
    await unlessAborted(signal, proveContents(file, how, tables, pgDump));
  } catch (error) {
    throw error instanceof UndropError && error.code === 'backup-unproved'
      ? unproved(database.name, error)
      : error;
  }
  return { proof: 'contents', differences: [] };
}

/** What fails its proof does not stay, since it would look like a backup. */
function unproved(database: string, { reason, cause }: UndropError): UndropError {
  return new UndropError('backup-unproved', {
    subject: database,
    message: `The backup of ${database} did not hold what it should, and was removed.`,
    reason,
    next: 'Take another one with npm run backup.',
    cause,
  });
}
