import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { hashOf } from './backup-file.ts';
import { manifestOf } from './manifest.ts';

/** What the archive knows of the file of a backup. */
export interface Recorded {
  readonly file: string;
  readonly bytes: string;
  readonly sha256: string;
  /** Null for backups from before there were manifests. */
  readonly manifestSha256: string | null;
}

export interface Damage {
  readonly reason: string;
  /** There is nothing under its name. */
  readonly gone: boolean;
}

/** Why a backup is not what was recorded; undefined where it is, from its first byte to its last. */
export async function findDamage(backup: Recorded): Promise<Damage | undefined> {
  try {
    const { size } = await stat(backup.file);
    if (String(size) !== backup.bytes) {
      return altered(`The file has ${size} bytes; when it was recorded it had ${backup.bytes}.`);
    }
    if ((await knownHash(backup.file)) !== backup.sha256) {
      return altered(
        'Its SHA-256 is not the one that was recorded: it was changed, or the disk has lost it.',
      );
    }
    if (backup.manifestSha256 !== null && (await manifestHash(backup.file)) !== backup.manifestSha256) {
      return altered(`${manifestOf(backup.file)} is not the manifest that was written with it.`);
    }
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { reason: `It cannot be read: ${message}`, gone: code === 'ENOENT' };
  }
}

function altered(reason: string): Damage {
  return { reason, gone: false };
}

/** The SHA-256 of files as they were when this process has read them: large ones are not read twice. */
const hashes = new Map<string, Promise<string>>();

async function knownHash(file: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
  const key = [file, dev, ino, size, mtimeNs, ctimeNs].join('\n');
  let hash = hashes.get(key);
  if (hash === undefined) {
    hash = hashOf(file);
    hashes.set(key, hash);
    hash.catch(() => hashes.delete(key));
  }
  return hash;
}

async function manifestHash(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(manifestOf(file)))
    .digest('hex');
}
