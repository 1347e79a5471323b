import { isUtf8 } from 'node:buffer';
import { groupBy } from '../../text/group-by.ts';
import { asSql, findLiterals, withoutPsql } from './literals.ts';
import type { Model } from './models.ts';
import type { Hit } from './scanner.ts';
import { isInside, type ParsedSql, type ParseSql, type Range } from './sql.ts';

/** A place in the code that names a table. */
export interface CodeReference {
  /** The path, beginning with the given root. */
  readonly file: string;
  readonly line: number;
  /**
   * `sql`: a statement uses the table; `word`: the name occurs as a word; `unparsed`: the name occurs in text that looks
   * like SQL but cannot be parsed; `model`: a class or a field implies the name by a convention of its framework.
   */
  readonly how: 'sql' | 'word' | 'unparsed' | 'model';
}

/** A relation that SQL in the code reads or writes. */
export interface NamedInSql {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/** A table to search for. */
export interface Wanted {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
}

/** The names found in a text. */
export interface Found {
  readonly hits: readonly Hit[];
  readonly models: readonly Model[];
  /** Whether the text contains words of SQL. */
  readonly sql: boolean;
}

interface Inspected {
  /** By the index of the table. */
  readonly places: ReadonlyMap<number, readonly CodeReference[]>;
  readonly needed: readonly NamedInSql[];
}

/** Parses the SQL of a text, and leaves out the hits that it shows to be no tables. */
export function inspect(
  file: string,
  bytes: Buffer,
  { hits, models, sql }: Found,
  tables: readonly Wanted[],
  parse: ParseSql,
): Inspected {
  // Latin-1 has one character per byte, so that offsets in characters and bytes are equal.
  const text = bytes.toString('latin1');
  const pieces = sql ? findPieces(file, text, parse) : [];
  const used = usedOffsets(pieces, hits, tables);
  const named = hits.map((hit) => ({ ...hit, how: classify(hit, pieces, used) })).filter(({ how }) => how);
  const seen = new Set(named.map(({ name }) => name));
  const found = [
    ...named,
    ...usesWithoutHit(pieces, tables).filter(({ name }) => !seen.has(name)),
    ...models.map(({ table, offset }) => ({ name: table, offset, how: 'model' as const })),
  ].sort((a, b) => a.offset - b.offset);
  const lineAt = lineCounter(text);
  const places = new Map<number, CodeReference[]>();
  for (const { name, offset, how } of found) {
    if (how === undefined) continue;
    const line = lineAt(offset);
    const references = places.get(name) ?? [];
    if (references.at(-1)?.line !== line) references.push({ file, line, how });
    places.set(name, references);
  }
  return { places, needed: neededIn(file, pieces, text) };
}

/** Whether the whole file is SQL. */
export function isScript(file: string): boolean {
  return /\.(sql|psql|pgsql|ddl)$/i.test(file);
}

/** A piece of SQL in the file; `parsed` is undefined if it cannot be parsed. */
interface Piece extends Range {
  readonly parsed: ParsedSql | undefined;
  /** Commands of psql such as `\copy`, which are no SQL. */
  readonly commands: readonly Range[];
}

const mostSql = 4 << 20;

function findPieces(file: string, text: string, parse: ParseSql): Piece[] {
  if (isScript(file)) {
    const { sql, commands } = withoutPsql(text);
    const parsed = text.length > mostSql ? undefined : parse(inUtf8(sql));
    return [{ start: 0, end: text.length, parsed, commands }];
  }
  return findLiterals(text).map(({ start, end }) => {
    const literal = text.slice(start, end);
    const parsed = end - start > mostSql ? undefined : parseLiteral(literal, parse);
    return { start, end, parsed, commands: [] };
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

/** Returns the uses of tables whose name does not stand alone, as in the literal "delete from\\norders". */
function usesWithoutHit(pieces: readonly Piece[], tables: readonly Wanted[]) {
  const uses = pieces.flatMap(({ start: base, parsed }) =>
    (parsed?.uses ?? []).map(({ offset, ...use }) => ({ ...use, offset: base + (offset ?? use.start) })),
  );
  const byName = groupBy(uses, ({ name }) => name);
  return [...tables.entries()].flatMap(([index, table]) =>
    (byName.get(table.name) ?? [])
      .filter(({ schema }) => schema === undefined || schema === table.schema)
      .map(({ offset }) => ({ name: index, offset, how: 'sql' as const })),
  );
}

/** Returns undefined only if the parser shows that the hit is no table. */
function classify(
  hit: Hit,
  pieces: readonly Piece[],
  used: ReadonlySet<Hit>,
): CodeReference['how'] | undefined {
  const piece = pieces.find(({ start, end }) => hit.offset >= start && hit.offset < end);
  if (piece === undefined) return 'word';
  if (piece.parsed === undefined) return 'unparsed';
  if (used.has(hit)) return 'sql';
  const offset = hit.offset - piece.start;
  return piece.parsed.mayName(offset) || isInside(offset, piece.commands) ? 'word' : undefined;
}

/** Returns the relations that the SQL of a file uses but does not create. */
function neededIn(file: string, pieces: readonly Piece[], text: string): NamedInSql[] {
  const uses = (use: string) =>
    pieces.flatMap(({ start, parsed }) =>
      (parsed?.uses ?? []).filter((one) => one.use === use).map((one) => ({ ...one, piece: start })),
    );
  const created = new Set(uses('defines').map(({ name }) => name));
  const lineAt = lineCounter(text);
  return uses('needs')
    .filter(({ name, schema }) => !created.has(name) && !isSystem(schema))
    .map(({ name, piece, offset = 0 }) => ({ name, file, line: lineAt(piece + offset) }));
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
