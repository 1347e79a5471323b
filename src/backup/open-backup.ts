import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { UndropError } from '../errors.ts';
import { commandLine } from '../text/command-line.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { measure } from './measure.ts';

/** A backup that matches its manifest. */
export interface OpenedBackup {
  /** The absolute path. */
  readonly file: string;
  readonly manifest: Manifest;
}

/**
 * Reads the manifest of a backup and compares the size and the SHA-256 of the backup with it.
 *
 * @throws UndropError `bad-options` if the backup does not exist, `backup-unproved` if it does not match its manifest
 */
export async function openBackup(path: string): Promise<OpenedBackup> {
  const file = resolve(path);
  await stat(file).catch((cause: Error) => {
    throw new UndropError('bad-options', {
      subject: file,
      message: `The backup ${file} does not exist or cannot be read.`,
      reason: cause.message,
      next: `Name a file or directory that ${commandLine('backup')} has written; ${commandLine('backup', '--list')} shows them.`,
      cause,
    });
  });
  const { manifest } = await readManifest(file);
  const { bytes, sha256 } = await measure(file);
  if (bytes === manifest.bytes && sha256 === manifest.sha256) return { file, manifest };
  throw new UndropError('backup-unproved', {
    subject: file,
    message: `The backup ${file} does not match its manifest.`,
    reason:
      bytes === manifest.bytes
        ? `Its SHA-256 is ${sha256}, not ${manifest.sha256}: it was changed, or the manifest belongs to another backup.`
        : `Its size is ${bytes} bytes, not ${manifest.bytes}: it was truncated or changed, or the manifest belongs to another backup.`,
    next: 'Copy the backup and its manifest again from where they are stored. Nothing was restored.',
  });
}
