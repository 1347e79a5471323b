/** A place where a name occurs as a word. */
export interface Hit {
  /** Its place in the list of names. */
  readonly name: number;
  /** In bytes. */
  readonly offset: number;
}

/** Finds names in the bytes of a text. One pass over the bytes, however many names there are. */
export interface Scanner {
  /** In the order of their offsets. Case is not looked at, so that what SQL would fold is found. */
  find(bytes: Uint8Array): Hit[];
}

// As grep -w has it in the C locale: whatever is not of these ends a word. Letters are folded to lower case.
const wordBytes = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const character = String.fromCharCode(byte);
  if (/[A-Za-z0-9_]/.test(character)) wordBytes[byte] = character.toLowerCase().charCodeAt(0);
}

const buckets = 1 << 16;

function hashOf(bytes: Uint8Array): number {
  let hash = 0;
  for (const byte of bytes) hash = (Math.imul(hash, 31) + (wordBytes[byte] ?? 0)) | 0;
  return hash;
}

const quotes = Buffer.from('"\'`');
const backslash = 92;

/** @param afterQuotes more names, counted on from the others, that are looked for only where a quote stands before */
export function makeScanner(names: readonly string[], afterQuotes: readonly string[] = []): Scanner {
  const known = new Uint8Array(buckets);
  const byHash = new Map<number, { name: number; folded: Buffer }[]>();
  const odd: { name: number; bytes: Buffer }[] = [];
  for (const [name, text] of [...names, ...afterQuotes].entries()) {
    if (!/^[A-Za-z0-9_]+$/.test(text)) {
      odd.push({ name, bytes: Buffer.from(text) });
      continue;
    }
    const folded = Buffer.from(text.toLowerCase());
    const hash = hashOf(folded);
    known[hash & (buckets - 1)] = 1;
    byHash.set(hash, [...(byHash.get(hash) ?? []), { name, folded }]);
  }

  const find = (bytes: Uint8Array): Hit[] => {
    const hits: Hit[] = [];
    const { length } = bytes;
    let hash = 0;
    let start = 0;
    for (let at = 0; at <= length; at++) {
      const byte = at === length ? 0 : (wordBytes[bytes[at] as number] as number);
      if (byte !== 0) {
        hash = (Math.imul(hash, 31) + byte) | 0;
        continue;
      }
      if (at > start && known[hash & (buckets - 1)] === 1) {
        for (const { name, folded } of byHash.get(hash) ?? [])
          if (isAt(bytes, start, at, folded) && (name < names.length || opensText(bytes, start, at)))
            hits.push({ name, offset: start });
      }
      hash = 0;
      start = at + 1;
    }
    if (odd.length === 0) return hits;
    for (const one of odd) hits.push(...findOdd(bytes, one));
    return hits.sort((a, b) => a.offset - b.offset);
  };
  return { find };
}

/** Whether a quote stands before the word, and a blank or an escaped one behind it. */
function opensText(bytes: Uint8Array, start: number, end: number): boolean {
  const next = bytes[end] ?? 0;
  if (next > 32 && next !== backslash) return false;
  let at = start - 1;
  // Blanks and line breaks may stand between.
  while (at >= 0 && (bytes[at] as number) <= 32) at -= 1;
  return at >= 0 && quotes.includes(bytes[at] as number);
}

function isAt(bytes: Uint8Array, start: number, end: number, folded: Uint8Array): boolean {
  if (end - start !== folded.length) return false;
  for (let at = start; at < end; at++) {
    if (wordBytes[bytes[at] as number] !== folded[at - start]) return false;
  }
  return true;
}

/** Names that are no words, such as `my table`: between two bytes that would not make them longer. */
function findOdd(bytes: Uint8Array, one: { name: number; bytes: Buffer }): Hit[] {
  const hits: Hit[] = [];
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const isWord = (at: number) => wordBytes[bytes[at] ?? 0] !== 0;
  const { length } = one.bytes;
  for (let at = text.indexOf(one.bytes); at >= 0; at = text.indexOf(one.bytes, at + 1)) {
    const joined =
      (at > 0 && isWord(at) && isWord(at - 1)) || (isWord(at + length - 1) && isWord(at + length));
    if (!joined) hits.push({ name: one.name, offset: at });
  }
  return hits;
}
