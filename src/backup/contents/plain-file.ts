import { createReadStream } from 'node:fs';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** The SQL of a plain backup. What goes wrong with the file, the stream throws. */
export function openPlain(file: string, compressed: boolean): Readable {
  const input = createReadStream(file);
  // The callback takes the error that the stream itself throws as well.
  return compressed ? pipeline(input, createGunzip(), () => undefined) : input;
}
