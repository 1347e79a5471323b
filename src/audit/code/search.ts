import { isUtf8 } from 'node:buffer';
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';
import { groupBy } from '../../text/group-by.ts';
import { asSql, findLiterals, firstWords, withoutPsql } from './literals.ts';
import { type Hit, makeScanner, type Scanner } from './scanner.ts';
import { loadParser, type ParsedSql, type ParseSql } from './sql.ts';
import { walk } from './walk.ts';

/** A place in the code that names a table. */
export interface CodeReference {
  /** As found from the root that was given. */
  readonly file: string;
  readonly line: number;
  /**
   * `sql`: a statement uses the table; `word`: its name stands there; `unparsed`: it stands in what looks like SQL and
   * does not parse.
   */
  readonly how: 'sql' | 'word' | 'unparsed';
}

/** Something that SQL in the code reads or writes. */
export interface NamedInSql {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/** What a search of code gave. */
export interface CodeSearch {
  readonly roots: readonly string[];
  /** How many were searched. */
  readonly files: number;
  /** Files and folders that could not be read, with the reason. */
  readonly unread: readonly string[];
  /** By the OID of the table. */
  readonly references: ReadonlyMap<number, readonly CodeReference[]>;
  /** Relations that SQL in the code reads or writes and that do not exist. */
  readonly missing: readonly NamedInSql[];
}

/** What is searched for. */
export interface Wanted {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
}

/** `core,scripts` → its parts. */
export function parseRoots(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/**
 * Searches folders and files for the names of tables, as words, and in SQL as the parser of PostgreSQL understands it.
 *
 * @param relations the names of all relations, views included
 * @throws UndropError `bad-options` where a root is not there
 */
export async function searchCode(
  roots: readonly string[],
  tables: readonly Wanted[],
  relations: readonly string[],
): Promise<CodeSearch> {
  const found = roots.map(walk);
  const files = [...new Set(found.flatMap((one) => one.files))];
  const unread = found.flatMap((one) => one.unread);
  const scanner = makeScanner(
    tables.map(({ name }) => name),
    firstWords,
  );
  const reader = makeReader();
  const there = new Set(relations);
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
    for (const one of seen.needed) {
      if (there.has(one.name) || one.name.startsWith('pg_')) continue;
      const key = `${one.name} ${file}`;
      if (!missing.has(key)) missing.set(key, one);
    }
  }
  return { roots, files: searched, unread, references, missing: [...missing.values()] };
}

const mostBytes = 256 << 20;

/**
 * Reads text files: gives the bytes, undefined for a binary file, a line of text where it cannot be read. The bytes hold
 * until the next call, since most files are looked at once and forgotten.
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
      // As Git does: a byte of zero near the beginning. One behind the text ends the search for it.
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

/** Some editors begin a file with a mark of its encoding, which is no SQL. */
function withoutMark(bytes: Buffer): Buffer {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes.fill(' ', 0, 3);
  return bytes;
}

function isScript(file: string): boolean {
  return /\.(sql|psql|pgsql|ddl)$/i.test(file);
}

/** The names found; undefined where there are none, and no SQL either. */
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
  /** By the place of the table in the list. */
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
  // One character a byte, so that all offsets are the same.
  const text = bytes.toString('latin1');
  const pieces = sql ? findPieces(file, text, parse) : [];
  const lineAt = lineCounter(text);
  const places = new Map<number, CodeReference[]>();
  const used = usedOffsets(pieces, hits, tables);
  for (const hit of hits) {
    const how = classify(hit, pieces, used, text, tables[hit.name]?.name ?? '');
    if (how === undefined) continue;
    const line = lineAt(hit.offset);
    const there = places.get(hit.name) ?? [];
    if (there.at(-1)?.line !== line) there.push({ file, line, how });
    places.set(hit.name, there);
  }
  return { places, needed: neededIn(file, pieces, text) };
}

/** A piece of SQL in the file, with what the parser made of it. */
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

/** As it is, and with what the program would fill in: first the way that it most likely parses, since failing is slow. */
function parseLiteral(literal: string, parse: ParseSql): ParsedSql | undefined {
  const ways = [() => parse(inUtf8(literal)), () => parse(inUtf8(asSql(literal)))];
  const [first, second] = /%s|%\(\w|\$\{|#\{/.test(literal) ? ways.toReversed() : ways;
  return first?.() ?? second?.();
}

function inUtf8(latin1: string): string {
  const bytes = Buffer.from(latin1, 'latin1');
  // What is in another encoding keeps its length, and its names are not those of tables.
  return isUtf8(bytes) ? bytes.toString('utf8') : latin1.replaceAll(/[\x80-\xff]/g, '?');
}

/** The hits at which SQL uses the table. */
function usedOffsets(pieces: readonly Piece[], hits: readonly Hit[], tables: readonly Wanted[]): Set<Hit> {
  const byName = groupBy(hits, ({ name }) => tables[name]?.name);
  const used = new Set<Hit>();
  for (const { start: base, parsed } of pieces) {
    for (const { schema, name, offset, start, end } of parsed?.uses ?? []) {
      const fits = (hit: Hit) => schema === undefined || schema === tables[hit.name]?.schema;
      const inside = (byName.get(name) ?? []).filter(
        (hit) => hit.offset >= base + (offset ?? start) && hit.offset < base + end && fits(hit),
      );
      // Where the place is known it is the first from there on, of each schema.
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
  // SQL folds what is not quoted.
  const folded = asWritten || name === name.toLowerCase();
  if (piece.parsed === undefined) return folded ? 'unparsed' : undefined;
  if (used.has(hit)) return 'sql';
  const opaque = piece.parsed.opaque.some(
    ({ start, end }) => offset >= piece.start + start && offset < piece.start + end,
  );
  return opaque && folded ? 'word' : undefined;
}

/** What the SQL of a file needs and does not itself make. */
function neededIn(file: string, pieces: readonly Piece[], text: string): NamedInSql[] {
  const made = new Set(
    pieces.flatMap(
      ({ parsed }) => parsed?.uses.filter(({ needed }) => !needed).map(({ name }) => name) ?? [],
    ),
  );
  const lineAt = lineCounter(text);
  return pieces.flatMap(({ start, parsed }) =>
    (parsed?.uses ?? [])
      .filter(({ needed, name, schema }) => needed && !made.has(name) && !isSystem(schema))
      .map(({ name, offset = 0 }) => ({ name, file, line: lineAt(start + offset) })),
  );
}

function isSystem(schema: string | undefined): boolean {
  return schema === 'pg_catalog' || schema === 'information_schema';
}

/** Counts on from the last place that was asked for. */
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
