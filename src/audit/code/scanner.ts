/** An occurrence of a name as a whole word. */
export interface Hit {
  /** The index in the list of names. */
  readonly name: number;
  /** In bytes. */
  readonly offset: number;
}

/** Finds names in the bytes of a text, in one pass for any number of names. */
export interface Scanner {
  /** Returns the hits in the order of their offsets. Ignores case, because SQL folds unquoted names. */
  find(bytes: Uint8Array): Hit[];
}

// The word characters of grep -w in the C locale. Upper and lower case share a number, so that there are 37, numbered
// from 1; all other bytes are 0.
const wordBytes = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const place = 'abcdefghijklmnopqrstuvwxyz0123456789_'.indexOf(String.fromCharCode(byte).toLowerCase());
  wordBytes[byte] = place + 1;
}

const quotes = Buffer.from('"\'`');
const backslash = 92;

/**
 * @param afterQuotes more names, numbered after the others, which are found only directly after a quote
 */
export function makeScanner(names: readonly string[], afterQuotes: readonly string[] = []): Scanner {
  const byHash = new Map<number, { name: number; bytes: Buffer }[]>();
  const words: Buffer[] = [];
  const odd: { name: number; bytes: Buffer }[] = [];
  for (const [name, text] of [...names, ...afterQuotes].entries()) {
    const bytes = Buffer.from(text);
    if (!/^[A-Za-z0-9_]+$/.test(text)) {
      odd.push({ name, bytes });
      continue;
    }
    words.push(bytes);
    const hash = hashOf(bytes, 0, bytes.length);
    byHash.set(hash, [...(byHash.get(hash) ?? []), { name, bytes }]);
  }
  // The non-word bytes before and after a word count as part of it, which allows longer skips.
  const window = Math.min(...words.map(({ length }) => length)) + 2;
  const skips = findSkips(words, window);

  const find = (bytes: Uint8Array): Hit[] => {
    const hits: Hit[] = [];
    const { length } = bytes;
    // The last byte of where the beginning of a name may be: the window may begin before the text, and end behind it.
    let at = window - 2;
    while (at <= length) {
      const byte = at === length ? 0 : (bytes[at] as number);
      const skip = skips[((bytes[at - 1] as number) << 8) | byte] as number;
      if (skip > 0) {
        at += skip;
        continue;
      }
      const start = at - window + 2;
      let end = start;
      while (end < length && wordBytes[bytes[end] as number] !== 0) end += 1;
      if (start === 0 || wordBytes[bytes[start - 1] as number] === 0) {
        for (const entry of byHash.get(hashOf(bytes, start, end)) ?? [])
          if (
            isSame(bytes, start, end, entry.bytes) &&
            (entry.name < names.length || opensText(bytes, start, end))
          )
            hits.push({ name: entry.name, offset: start });
      }
      at = end + window - 1;
    }
    if (odd.length === 0) return hits;
    for (const entry of odd) hits.push(...findOdd(bytes, entry));
    return hits.sort((a, b) => a.offset - b.offset);
  };
  return { find };
}

/**
 * Returns, for each pair of bytes, how far the search can skip without missing a name (the Wu-Manber algorithm). Most
 * bytes of a text are never read.
 */
function findSkips(words: readonly Uint8Array[], window: number): Uint8Array {
  const skips = new Uint8Array(64 * 64).fill(Math.min(255, window - 1));
  for (const word of words) {
    const bytes = [0, ...[...word].map((byte) => wordBytes[byte] ?? 0), 0];
    for (let at = 1; at < window; at++) {
      const pair = ((bytes[at - 1] ?? 0) << 6) | (bytes[at] ?? 0);
      skips[pair] = Math.min(skips[pair] ?? 0, window - 1 - at);
    }
  }
  // Indexed by the bytes themselves, so that each step is one lookup.
  const byBytes = new Uint8Array(256 * 256);
  for (let pair = 0; pair < byBytes.length; pair++)
    byBytes[pair] = skips[((wordBytes[pair >> 8] ?? 0) << 6) | (wordBytes[pair & 255] ?? 0)] ?? 0;
  return byBytes;
}

function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0;
  for (let at = start; at < end; at++)
    hash = (Math.imul(hash, 41) + (wordBytes[bytes[at] as number] as number)) | 0;
  return hash;
}

function isSame(bytes: Uint8Array, start: number, end: number, name: Uint8Array): boolean {
  if (end - start !== name.length) return false;
  for (let at = start; at < end; at++)
    if (wordBytes[bytes[at] as number] !== wordBytes[name[at - start] as number]) return false;
  return true;
}

/** Returns whether the word follows a quote, and precedes whitespace or an escape sequence. */
function opensText(bytes: Uint8Array, start: number, end: number): boolean {
  const next = bytes[end] ?? 0;
  if (next > 32 && next !== backslash) return false;
  let at = start - 1;
  // Whitespace may separate them.
  while (at >= 0 && (bytes[at] as number) <= 32) at -= 1;
  return at >= 0 && quotes.includes(bytes[at] as number);
}

/** Finds a name with other characters, such as `my table`, where no word character continues it. */
function findOdd(bytes: Uint8Array, entry: { name: number; bytes: Buffer }): Hit[] {
  const hits: Hit[] = [];
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const isWord = (at: number) => wordBytes[bytes[at] ?? 0] !== 0;
  const { length } = entry.bytes;
  for (let at = text.indexOf(entry.bytes); at >= 0; at = text.indexOf(entry.bytes, at + 1)) {
    const joined =
      (at > 0 && isWord(at) && isWord(at - 1)) || (isWord(at + length - 1) && isWord(at + length));
    if (!joined) hits.push({ name: entry.name, offset: at });
  }
  return hits;
}
