import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { UndropError } from '../errors.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { measure } from './measure.ts';

/** A backup whose manifest and contents are those that were written. */
export interface OpenedBackup {
  /** Absolute. */
  readonly file: string;
  readonly manifest: Manifest;
}

/**
 * Reads the manifest of a backup, and the backup itself to see that it is the one.
 *
 * @throws UndropError `bad-options` where there is none; `backup-unproved` for what was altered
 */
export async function openBackup(path: string): Promise<OpenedBackup> {
  const file = resolve(path);
  await stat(file).catch((cause: Error) => {
    throw new UndropError('bad-options', {
      subject: file,
      message: `There is no backup ${file}.`,
      reason: cause.message,
      next: 'Name the file, or the folder, that npm run backup has written; npm run backup -- --list shows them.',
      cause,
    });
  });
  const { manifest } = await readManifest(file);
  const { bytes, sha256 } = await measure(file);
  if (bytes === manifest.bytes && sha256 === manifest.sha256) return { file, manifest };
  throw new UndropError('backup-unproved', {
    subject: file,
    message: `The backup ${file} is not the one that its manifest is of.`,
    reason:
      bytes === manifest.bytes
        ? `Its SHA-256 is ${sha256}, not ${manifest.sha256}: a byte has changed, or the manifest is another's.`
        : `It has ${bytes} bytes, not ${manifest.bytes}: it was cut off or changed, or the manifest is another's.`,
    next: 'Fetch both again from where they were kept. Nothing was restored.',
  });
}
