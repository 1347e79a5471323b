import { UndropError } from '../../errors.ts';
import type { Target } from '../../knex/target.ts';
import { commandLine } from '../../text/command-line.ts';
import { unlessAborted } from '../../text/unless-aborted.ts';
import type { LaterObject } from '../later-objects.ts';
import type { Manifest, Proof } from '../manifest.ts';
import type { PgDump } from '../programs/find-pg-dump.ts';
import { proveContents } from './prove-contents.ts';
import { proveRestore } from './prove-restore.ts';

/** The values of `--prove`. */
export const proofs = ['off', 'contents', 'restore'] as const satisfies readonly Proof[];

export interface ProofOptions {
  /** Default `contents`. */
  prove?: (typeof proofs)[number] | undefined;
  /** The URL of another server for a proof by restore. Default: the same server. */
  proveOn?: string | undefined;
  /** Stops the proof; its reason is thrown. */
  signal?: AbortSignal;
}

/**
 * Proves that a backup matches its manifest.
 *
 * @param file the current path of the backup
 * @param objects the objects that the backup must create apart from the tables
 * @param pgDump the program that wrote the backup; undefined if the embedded server did
 * @returns the proof and the differences, for the manifest
 * @throws UndropError `backup-unproved`
 */
export async function prove(
  target: Target,
  file: string,
  manifest: Manifest,
  objects: readonly LaterObject[],
  { prove = 'contents', proveOn: on, signal }: ProofOptions,
  pgDump: PgDump | undefined,
): Promise<Pick<Manifest, 'proof' | 'differences'>> {
  if (prove === 'off') return { proof: 'off', differences: [] };
  const packing = { format: manifest.format, compressed: manifest.file.endsWith('.gz') };
  try {
    const expected = { tables: manifest.tables, objects };
    await unlessAborted(signal, proveContents(file, packing, expected, pgDump));
    if (prove === 'contents') return { proof: prove, differences: [] };
    const { differences } = await proveRestore(file, manifest, { target, on }, pgDump, signal);
    return { proof: prove, differences };
  } catch (error) {
    throw error instanceof UndropError && error.code === 'backup-unproved'
      ? unproved(manifest.database.name, error)
      : error;
  }
}

/** The error for a backup that failed its proof. The caller removes the file, so that it cannot be taken for a backup. */
function unproved(database: string, { reason, cause }: UndropError): UndropError {
  return new UndropError('backup-unproved', {
    subject: database,
    message: `The backup of ${database} failed its proof and was removed.`,
    reason,
    next: `Remove the cause, then take another backup with ${commandLine('backup')}.`,
    cause,
  });
}
