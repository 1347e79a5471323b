import { UndropError } from '../../errors.ts';
import type { Target } from '../../knex/target.ts';
import { unlessAborted } from '../../text/unless-aborted.ts';
import type { Manifest, Proof } from '../manifest.ts';
import type { PgDump } from '../programs/find-pg-dump.ts';
import { proveContents } from './prove-contents.ts';
import { proveRestore } from './prove-restore.ts';

/** What can be asked for. */
export const proofs = ['off', 'contents', 'restore'] as const satisfies readonly Proof[];

export interface ProofOptions {
  /** Default `contents`. */
  prove?: (typeof proofs)[number] | undefined;
  /** Where a proof by restore is made: the URL of another server. Default: the server itself. */
  proveOn?: string | undefined;
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
  target: Target,
  file: string,
  manifest: Manifest,
  { prove = 'contents', proveOn: on, signal }: ProofOptions,
  pgDump: PgDump | undefined,
): Promise<Pick<Manifest, 'proof' | 'differences'>> {
  if (prove === 'off') return { proof: 'off', differences: [] };
  const how = { format: manifest.format, compressed: manifest.file.endsWith('.gz') };
  const proof = async (): Promise<string[]> => {
    await proveContents(file, how, manifest.tables, pgDump);
    if (prove === 'contents') return [];
    return (await proveRestore(file, manifest, { target, on }, pgDump, signal)).differences;
  };
  try {
    return { proof: prove, differences: await unlessAborted(signal, proof()) };
  } catch (error) {
    throw error instanceof UndropError && error.code === 'backup-unproved'
      ? unproved(manifest.database.name, error)
      : error;
  }
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
