import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Manifest } from './manifest.ts';

export type Measured = Pick<Manifest, 'bytes' | 'sha256' | 'files'>;

/** Size and checksum of a backup as it lies on the disk, file or folder. Throws as the file system does. */
export async function measure(path: string): Promise<Measured> {
  if (!(await stat(path)).isDirectory()) return measureFile(path);
  const files: { name: string; bytes: number; sha256: string }[] = [];
  for (const name of (await readdir(path)).sort()) {
    files.push({ name, ...(await measureFile(join(path, name))) });
  }
  return {
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    sha256: hashOf(files.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join('')),
    files,
  };
}

/** The SHA-256 of a text, in hexadecimal digits. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function measureFile(path: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}
