import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';

const mostBytes = 256 << 20;

// Formats that hold no code, so that leaving them out does not weaken the result.
const media =
  /\.(png|jpe?g|gif|bmp|ico|icns|webp|avif|heic|tiff?|psd|svgz|woff2?|ttf|otf|eot|mp[34]|m4[av]|webm|ogg|wav|flac|mov|avi|pdf)$/i;

/**
 * Returns a function that reads a text file as UTF-8, or in an encoding with one byte for each ASCII character. It returns
 * undefined for pictures, fonts and the like, and a message if the file cannot be read as text. The bytes are valid until
 * the next call, because the buffer is reused.
 */
export function makeReader(): (file: string) => Buffer | string | undefined {
  const buffer = Buffer.alloc(1 << 20);
  return (file) => {
    try {
      const handle = openSync(file, constants.O_RDONLY);
      let length: number;
      try {
        length = readSync(handle, buffer, 0, buffer.length, 0);
      } finally {
        closeSync(handle);
      }
      const encoding = encodingOf(buffer.subarray(0, length));
      if (encoding === 'binary') return media.test(file) ? undefined : `${file} is not a text file`;
      if (encoding === undefined && length < buffer.length) return withoutMark(buffer.subarray(0, length));
      const whole = readFileSync(file);
      if (whole.length > mostBytes) return `${file} is too large to be searched: ${whole.length} bytes`;
      return withoutMark(encoding === undefined ? whole : decode(whole, encoding));
    } catch (error) {
      return `${file} could not be read: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`;
    }
  };
}

type Encoding = 'utf-16le' | 'utf-16be' | 'binary';

/** The number of bytes in which a zero marks a file as binary, as in Git. */
const firstBytes = 8000;

/** Returns undefined for text without zero bytes. */
function encodingOf(bytes: Buffer): Encoding | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  const first = bytes.subarray(0, firstBytes);
  if (!first.includes(0)) return undefined;
  // Without a mark: half of the bytes of ASCII text in UTF-16 are zero, all of them before or all behind the others.
  const zeros = [0, 0];
  for (const [index, byte] of first.entries()) if (byte === 0) zeros[index % 2] = (zeros[index % 2] ?? 0) + 1;
  const [even = 0, odd = 0] = zeros;
  if (even === 0 && odd > first.length / 4) return 'utf-16le';
  if (odd === 0 && even > first.length / 4) return 'utf-16be';
  return 'binary';
}

function decode(bytes: Buffer, encoding: Exclude<Encoding, 'binary'>): Buffer {
  return Buffer.from(new TextDecoder(encoding).decode(bytes));
}

/** Blanks out the byte order mark, which is not SQL. */
function withoutMark(bytes: Buffer): Buffer {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes.fill(' ', 0, 3);
  return bytes;
}
