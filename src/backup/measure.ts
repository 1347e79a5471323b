import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Manifest } from './manifest.ts';

const piece = 1 << 20;

export type Measured = Pick<Manifest, 'bytes' | 'sha256' | 'files'>;

/** Returns the size and the SHA-256 of a backup on disk, file or directory. Throws the errors of the file system. */
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

/**
 * Measures a file while another process appends to it, so that the result is available soon after the end.
 *
 * @param written settles when the file is complete
 */
export async function measureGrowing(path: string, written: Promise<void>): Promise<Measured> {
  let isWritten = false;
  const end = (): void => {
    isWritten = true;
  };
  written.then(end, end);
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(piece);
  const file = await open(path, 'r');
  try {
    let bytes = 0;
    for (;;) {
      const isLast = isWritten;
      const { bytesRead } = await file.read(buffer, 0, piece, bytes);
      hash.update(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
      if (bytesRead === piece) continue;
      if (isLast && bytesRead === 0) return { bytes, sha256: hash.digest('hex') };
      if (!isLast) await sleep(50);
    }
  } finally {
    await file.close();
  }
}

/** Returns the SHA-256 of a text in hexadecimal digits. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function measureFile(path: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: piece })) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}
