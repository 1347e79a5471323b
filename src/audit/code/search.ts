import { isUtf8 } from 'node:buffer';
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';
import { groupBy } from '../../text/group-by.ts';
import { asSql, findLiterals, firstWords, withoutPsql } from './literals.ts';
import { type Hit, makeScanner, type Scanner } from './scanner.ts';
import { loadParser, type ParsedSql, type ParseSql } from './sql.ts';
import { walk } from './walk.ts';

/** A place in the code that names a table. */
export interface CodeReference {
  /** The path, beginning with the given root. */
  readonly file: string;
  readonly line: number;
  /**
   * `sql`: a statement uses the table; `word`: the name occurs as a word; `unparsed`: the name occurs in text that looks
   * like SQL but cannot be parsed.
   */
  readonly how: 'sql' | 'word' | 'unparsed';
}

/** A relation that SQL in the code reads or writes. */
export interface NamedInSql {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/** The result of a code search. */
export interface CodeSearch {
  readonly roots: readonly string[];
  /** The number of files searched. */
  readonly files: number;
  /** Files and folders that could not be read, each with the reason. */
  readonly unread: readonly string[];
  /** By the OID of the table. */
  readonly references: ReadonlyMap<number, readonly CodeReference[]>;
  /** Missing relations that SQL in the code reads or writes. */
  readonly missing: readonly NamedInSql[];
}

/** A table to search for. */
export interface Wanted {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
}

/** Splits a list such as `core,scripts`. */
export function parseRoots(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/**
 * Searches folders and files for the names of tables: as whole words, and in SQL with the parser of PostgreSQL.
 *
 * @param relations the names of all relations, views included
 * @throws UndropError `bad-options` if a root does not exist
 */
export async function searchCode(
  roots: readonly string[],
  tables: readonly Wanted[],
  relations: readonly string[],
): Promise<CodeSearch> {
  const found = roots.map(walk);
  const files = [...new Set(found.flatMap(({ files }) => files))];
  const unread = found.flatMap(({ unread }) => unread);
  const scanner = makeScanner(
    tables.map(({ name }) => name),
    firstWords,
  );
  const reader = makeReader();
  const existing = new Set(relations);
  const references = new Map<number, CodeReference[]>();
  const missing = new Map<string, NamedInSql>();
  let searched = 0;
  let parse: ParseSql | undefined;

  for (const file of files) {
    const bytes = reader(file);
    if (typeof bytes === 'string') {
      unread.push(bytes);
      continue;
    }
    if (bytes === undefined) continue;
    searched += 1;
    const hits = scan(scanner, bytes, isScript(file), tables.length);
    if (hits === undefined) continue;
    parse ??= await loadParser();
    const seen = inspect(file, bytes, hits, tables, parse);
    for (const [index, places] of seen.places) {
      const oid = tables[index]?.oid ?? 0;
      references.set(oid, [...(references.get(oid) ?? []), ...places]);
    }
    for (const use of seen.needed) {
      if (existing.has(use.name) || use.name.startsWith('pg_')) continue;
      const key = `${use.name} ${file}`;
      if (!missing.has(key)) missing.set(key, use);
    }
  }
  return { roots, files: searched, unread, references, missing: [...missing.values()] };
}

const mostBytes = 256 << 20;

/**
 * Returns a function that reads a text file. It returns the bytes, undefined for a binary file, or a message if the file
 * cannot be read. The bytes are valid until the next call, because the buffer is reused.
 */
function makeReader(): (file: string) => Buffer | string | undefined {
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
      if (length > 1 && buffer[0] === 0xff && buffer[1] === 0xfe)
        return withoutMark(Buffer.from(readFileSync(file, 'utf16le')));
      // Like Git, treats a file as binary if it has a zero byte near its beginning. The zero after the text is a sentinel.
      if (length < buffer.length) buffer[length] = 0;
      const zero = buffer.indexOf(0);
      if (zero >= 0 && zero < Math.min(length, 8000)) return undefined;
      if (length < buffer.length) return withoutMark(buffer.subarray(0, length));
      const whole = readFileSync(file);
      return whole.length <= mostBytes
        ? withoutMark(whole)
        : `${file} is too large to be searched: ${whole.length} bytes`;
    } catch (error) {
      return `${file} could not be read: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`;
    }
  };
}

/** Blanks out the byte order mark, which is not SQL. */
function withoutMark(bytes: Buffer): Buffer {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes.fill(' ', 0, 3);
  return bytes;
}

function isScript(file: string): boolean {
  return /\.(sql|psql|pgsql|ddl)$/i.test(file);
}

/** Returns the names found; undefined if the file contains neither names nor SQL. */
function scan(scanner: Scanner, bytes: Buffer, script: boolean, tables: number): Found | undefined {
  const hits = scanner.find(bytes);
  if (hits.length === 0 && !script) return undefined;
  const named = hits.filter(({ name }) => name < tables);
  const sql = script || named.length < hits.length;
  return named.length > 0 || sql ? { hits: named, sql } : undefined;
}

interface Found {
  readonly hits: readonly Hit[];
  readonly sql: boolean;
}

interface Inspected {
  /** By the index of the table. */
  readonly places: ReadonlyMap<number, readonly CodeReference[]>;
  readonly needed: readonly NamedInSql[];
}

const mostSql = 4 << 20;

function inspect(
  file: string,
  bytes: Buffer,
  { hits, sql }: Found,
  tables: readonly Wanted[],
  parse: ParseSql,
): Inspected {
  // Latin-1 has one character per byte, so that offsets in characters and bytes are equal.
  const text = bytes.toString('latin1');
  const pieces = sql ? findPieces(file, text, parse) : [];
  const lineAt = lineCounter(text);
  const places = new Map<number, CodeReference[]>();
  const used = usedOffsets(pieces, hits, tables);
  for (const hit of hits) {
    const how = classify(hit, pieces, used, text, tables[hit.name]?.name ?? '');
    if (how === undefined) continue;
    const line = lineAt(hit.offset);
    const references = places.get(hit.name) ?? [];
    if (references.at(-1)?.line !== line) references.push({ file, line, how });
    places.set(hit.name, references);
  }
  return { places, needed: neededIn(file, pieces, text) };
}

/** A piece of SQL in the file; `parsed` is undefined if it cannot be parsed. */
interface Piece {
  readonly start: number;
  readonly end: number;
  readonly parsed: ParsedSql | undefined;
}

function findPieces(file: string, text: string, parse: ParseSql): Piece[] {
  if (isScript(file)) {
    const parsed = text.length > mostSql ? undefined : parse(inUtf8(withoutPsql(text)));
    return [{ start: 0, end: text.length, parsed }];
  }
  return findLiterals(text).map(({ start, end }) => {
    const literal = text.slice(start, end);
    const parsed = end - start > mostSql ? undefined : parseLiteral(literal, parse);
    return { start, end, parsed };
  });
}

/** Parses a literal as it is, and with its placeholders replaced. The likelier way comes first, because failing is slow. */
function parseLiteral(literal: string, parse: ParseSql): ParsedSql | undefined {
  const ways = [() => parse(inUtf8(literal)), () => parse(inUtf8(asSql(literal)))];
  const [first, second] = /%s|%\(\w|\$\{|#\{/.test(literal) ? ways.toReversed() : ways;
  return first?.() ?? second?.();
}

function inUtf8(latin1: string): string {
  const bytes = Buffer.from(latin1, 'latin1');
  // Text in another encoding keeps its length. Non-ASCII names in it are not found.
  return isUtf8(bytes) ? bytes.toString('utf8') : latin1.replaceAll(/[\x80-\xff]/g, '?');
}

/** Returns the hits where SQL uses the table. */
function usedOffsets(pieces: readonly Piece[], hits: readonly Hit[], tables: readonly Wanted[]): Set<Hit> {
  const byName = groupBy(hits, ({ name }) => tables[name]?.name);
  const used = new Set<Hit>();
  for (const { start: base, parsed } of pieces) {
    for (const { schema, name, offset, start, end } of parsed?.uses ?? []) {
      const fits = (hit: Hit) => schema === undefined || schema === tables[hit.name]?.schema;
      const inside = (byName.get(name) ?? []).filter(
        (hit) => hit.offset >= base + (offset ?? start) && hit.offset < base + end && fits(hit),
      );
      // With a known position, the first hit after it is the use; there can be one for each schema.
      const first = inside[0]?.offset;
      for (const hit of inside) if (offset === undefined || hit.offset === first) used.add(hit);
    }
  }
  return used;
}

function classify(
  hit: Hit,
  pieces: readonly Piece[],
  used: ReadonlySet<Hit>,
  text: string,
  name: string,
): CodeReference['how'] | undefined {
  const { offset } = hit;
  const piece = pieces.find(({ start, end }) => offset >= start && offset < end);
  const written = text.slice(offset, offset + Buffer.byteLength(name));
  const asWritten = written === Buffer.from(name).toString('latin1');
  if (piece === undefined) return asWritten ? 'word' : undefined;
  // SQL folds unquoted names to lower case.
  const folded = asWritten || name === name.toLowerCase();
  if (piece.parsed === undefined) return folded ? 'unparsed' : undefined;
  if (used.has(hit)) return 'sql';
  const opaque = piece.parsed.opaque.some(
    ({ start, end }) => offset >= piece.start + start && offset < piece.start + end,
  );
  return opaque && folded ? 'word' : undefined;
}

/** Returns the relations that the SQL of a file uses but does not create. */
function neededIn(file: string, pieces: readonly Piece[], text: string): NamedInSql[] {
  const created = new Set(
    pieces.flatMap(
      ({ parsed }) => parsed?.uses.filter(({ needed }) => !needed).map(({ name }) => name) ?? [],
    ),
  );
  const lineAt = lineCounter(text);
  return pieces.flatMap(({ start, parsed }) =>
    (parsed?.uses ?? [])
      .filter(({ needed, name, schema }) => needed && !created.has(name) && !isSystem(schema))
      .map(({ name, offset = 0 }) => ({ name, file, line: lineAt(start + offset) })),
  );
}

function isSystem(schema: string | undefined): boolean {
  return schema === 'pg_catalog' || schema === 'information_schema';
}

/** Returns a function from offsets to line numbers. It counts on from the offset of the previous call. */
function lineCounter(text: string): (offset: number) => number {
  let line = 1;
  let at = 0;
  return (offset) => {
    if (offset < at) [line, at] = [1, 0];
    for (let next = text.indexOf('\n', at); next >= 0 && next < offset; next = text.indexOf('\n', at)) {
      line += 1;
      at = next + 1;
    }
    return line;
  };
}
