import fc from 'fast-check';

/** Parts of names that have broken other programs, and some that would drop the canary if they were run as SQL. */
const parts = [
  '"; drop table canary; --',
  "'; drop table canary; --",
  '\\; drop table canary; --',
  '\n\\! drop table canary\n',
  '$$; drop table canary; $$',
  '$undrop$; drop table canary; $undrop$',
  '*/ drop table canary; /*',
  '\ndrop table canary;\n--',
  '") cascade; drop table canary; --',
  ...['"', '""', "'", '`', '\\', '\\\\', ';', '--', '/*', '*/', '$$', '$1', '$undrop$', '%I', '%s', '%'],
  ...[
    '{}',
    ',',
    '?',
    '??',
    ':x',
    ':"x"',
    ":'x'",
    '::int',
    '@',
    '.',
    '..',
    '(',
    ')',
    '[1:2]',
    ' ',
    '\t',
    '\n',
  ],
  ...[
    '\r\n',
    '\0',
    '\u202e',
    '\u200b',
    '\ufeff',
    '\u00a0',
    '\u2028',
    '\u001b[31m',
    '\u007f',
    'ａ',
    'а',
    'ß',
    'İ',
  ],
  ...[
    'ﬁ',
    '👩‍👩‍👧',
    'e\u0301',
    'select',
    'user',
    'table',
    'null',
    'public',
    'pg_catalog',
    'undrop',
    'oid',
    'ctid',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'canary',
    'A',
    'z',
    '0',
    '_',
    'pg_toast_1',
    'RI_ConstraintTrigger_a_1',
  ],
];

const piece = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...parts) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 20 }) },
);

/** Any text, including NUL and halves of surrogate pairs. */
export const text = fc.oneof(
  fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join('')),
  fc.string({ unit: 'binary', maxLength: 100 }),
);

/** A valid PostgreSQL name: 1 to 63 bytes of UTF-8, no NUL. Every tenth has the maximum length. */
export const name = fc
  .tuple(fc.array(piece, { minLength: 1, maxLength: 5 }), fc.integer({ min: 0, max: 9 }))
  .map(([pieces, long]) => {
    const given = pieces.join('').replaceAll('\0', '') || ' ';
    return cut(long === 0 ? given.repeat(63) : given, 63);
  });

/** Returns the first characters that fit into this number of bytes. */
export function cut(given: string, bytes: number): string {
  let kept = '';
  for (const character of given) {
    if (Buffer.byteLength(kept + character) > bytes) break;
    kept += character;
  }
  return kept;
}

const seed = Number(process.env.UNDROP_SEED ?? Math.trunc(Math.random() * 2 ** 31));

/**
 * Returns the number of runs, given that of the full run (`UNDROP_FUZZ=all`), and the seed, which `UNDROP_SEED`
 * repeats.
 */
export function runs(short: number, full: number): { numRuns: number; seed: number; endOnFailure: boolean } {
  const { UNDROP_FUZZ = '' } = process.env;
  const numRuns = UNDROP_FUZZ === 'all' ? full : Number(UNDROP_FUZZ) || short;
  return { numRuns, seed, endOnFailure: true };
}
