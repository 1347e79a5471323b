import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { manifestOf } from './manifest.ts';
import { hashOf, measure } from './measure.ts';

/** The record that the archive has of the file of a backup. */
export interface Recorded {
  readonly file: string;
  readonly bytes: string;
  readonly sha256: string;
  /** Null for backups taken by versions without manifests. */
  readonly manifestSha256: string | null;
}

export interface Damage {
  readonly reason: string;
  /** Whether the file does not exist. */
  readonly gone: boolean;
}

/** Compares a backup with its record, by size and SHA-256. Returns the difference, or undefined if there is none. */
export async function findDamage(backup: Recorded): Promise<Damage | undefined> {
  try {
    const found = await readState(backup.file);
    if (String(found.bytes) !== backup.bytes) {
      return altered(`Its size is ${found.bytes} bytes; the recorded size is ${backup.bytes} bytes.`);
    }
    if ((await knownHash(backup.file, found.state)) !== backup.sha256) {
      return altered('Its SHA-256 differs from the recorded one: the file was changed or is corrupt.');
    }
    if (backup.manifestSha256 !== null && (await manifestHash(backup.file)) !== backup.manifestSha256) {
      return altered(`The SHA-256 of its manifest ${manifestOf(backup.file)} differs from the recorded one.`);
    }
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { reason: `The file cannot be read: ${message}`, gone: code === 'ENOENT' };
  }
}

function altered(reason: string): Damage {
  return { reason, gone: false };
}

/** Returns the size of a file or directory, and a text that changes when one of the files is written or replaced. */
async function readState(path: string): Promise<{ bytes: bigint; state: string }> {
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

/** Hashes of the files that this process has read, so that large backups are read once. */
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
