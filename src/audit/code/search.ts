import {
  type CodeReference,
  type Found,
  inspect,
  isScript,
  type NamedInSql,
  type Wanted,
} from './inspect.ts';
import { firstWords } from './literals.ts';
import { makeModelFinder } from './models.ts';
import { makeReader } from './read-text.ts';
import { makeScanner, type Scanner } from './scanner.ts';
import { loadParser, type ParseSql } from './sql.ts';
import { walk } from './walk.ts';

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
  const walks = roots.map(walk);
  const files = [...new Set(walks.flatMap(({ files }) => files))];
  const unread = walks.flatMap(({ unread }) => unread);
  const names = tables.map(({ name }) => name);
  const scanner = makeScanner(names, firstWords);
  const findModels = makeModelFinder(names);
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
    const found = { ...scan(scanner, bytes, file, tables.length), models: findModels(file, bytes) };
    if (found.hits.length === 0 && found.models.length === 0 && !found.sql) continue;
    parse ??= await loadParser();
    const seen = inspect(file, bytes, found, tables, parse);
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

function scan(scanner: Scanner, bytes: Buffer, file: string, tables: number): Pick<Found, 'hits' | 'sql'> {
  const hits = scanner.find(bytes);
  const named = hits.filter(({ name }) => name < tables);
  return { hits: named, sql: isScript(file) || named.length < hits.length };
}
