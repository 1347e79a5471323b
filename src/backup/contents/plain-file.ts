import { createReadStream } from 'node:fs';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** Returns the SQL of a plain backup as a stream, which fails if the file cannot be read or decompressed. */
export function openPlain(file: string, compressed: boolean): Readable {
  const input = createReadStream(file);
  // The callback is required; the stream reports the same error.
  return compressed ? pipeline(input, createGunzip(), () => undefined) : input;
}
