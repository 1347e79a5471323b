import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { manifestOf } from './manifest.ts';
import { hashOf, measure } from './measure.ts';

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
    const found = await look(backup.file);
    if (String(found.bytes) !== backup.bytes) {
      return altered(`The file has ${found.bytes} bytes; when it was recorded it had ${backup.bytes}.`);
    }
    if ((await knownHash(backup.file, found.state)) !== backup.sha256) {
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

/** The size of a file, or of the files of a folder, and what changes when anybody touches them. */
async function look(path: string): Promise<{ bytes: bigint; state: string }> {
  const isFolder = (await stat(path)).isDirectory();
  const files = isFolder ? (await readdir(path)).sort().map((name) => join(path, name)) : [path];
  let bytes = 0n;
  const states: string[] = [];
  for (const file of files) {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    bytes += size;
    states.push([file, dev, ino, size, mtimeNs, ctimeNs].join(' '));
  }
  return { bytes, state: states.join('\n') };
}

/** Checksums of what this process has read: large backups are not read twice. */
const hashes = new Map<string, Promise<string>>();

function knownHash(path: string, state: string): Promise<string> {
  const known = hashes.get(state);
  if (known !== undefined) return known;
  const hash = measure(path).then(({ sha256 }) => sha256);
  hashes.set(state, hash);
  hash.catch(() => hashes.delete(state));
  return hash;
}

async function manifestHash(file: string): Promise<string> {
  return hashOf(await readFile(manifestOf(file), 'utf8'));
}
