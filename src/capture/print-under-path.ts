import type { Closure, ObjectKey } from '../catalog/closure.ts';
import type { Family } from '../catalog/families/index.ts';
import type { Piece } from '../catalog/piece.ts';
import type { Unprinted } from '../catalog/search-paths.ts';
import { pins } from '../session/pinned-settings.ts';
import type { Session } from '../session/session.ts';

/** Pieces, and the family that captured them. */
export interface Captured {
  readonly family: Family;
  readonly pieces: readonly Piece[];
}

/**
 * Captures pieces again under a search path of their own if their expressions use operators that the text does not
 * print. They are replayed under the same path, so that each name resolves to the same object. Names that would resolve
 * to another object under this path are qualified in the text.
 *
 * @param unprinted the objects with such expressions
 * @param makers the piece that creates each object
 * @returns all pieces; those captured again replace the first ones
 */
export async function printUnderPaths(
  session: Session,
  closure: Closure,
  captured: readonly Captured[],
  unprinted: readonly Unprinted[],
  makers: ReadonlyMap<ObjectKey, Piece>,
): Promise<Piece[]> {
  const paths = pathsOf(unprinted, makers);
  const all: Piece[] = [];
  for (const { family, pieces } of captured) {
    const printed = new Map<string, ReadonlyMap<ObjectKey, Piece>>();
    for (const path of new Set(pieces.flatMap((piece) => paths.get(piece) ?? []))) {
      const again = await family(printing(session, path), closure);
      printed.set(path, new Map(again.flatMap((piece) => piece.creates.map((key) => [key, piece] as const))));
    }
    all.push(...pieces.map((piece) => under(paths.get(piece), piece, printed)));
  }
  return all;
}

/**
 * Returns one path for each piece. A piece may create several of the objects, such as the generated columns of a table.
 */
function pathsOf(unprinted: readonly Unprinted[], makers: ReadonlyMap<ObjectKey, Piece>): Map<Piece, string> {
  const needed = new Map<Piece, Set<string>>();
  for (const { key, schemas } of unprinted) {
    const piece = makers.get(key);
    if (piece !== undefined) needed.set(piece, new Set([...(needed.get(piece) ?? []), ...schemas]));
  }
  return new Map(
    [...needed].map(([piece, names]) => [piece, ['pg_catalog', ...[...names].sort(), 'pg_temp'].join(', ')]),
  );
}

function under(
  path: string | undefined,
  piece: Piece,
  printed: ReadonlyMap<string, ReadonlyMap<ObjectKey, Piece>>,
): Piece {
  const [key] = piece.creates;
  // A clone of a parent's object takes its expressions from the parent; its own statements must not look up names
  // elsewhere.
  if (path === undefined || key === undefined || piece.phase === 'clone') return piece;
  const again = printed.get(path)?.get(key);
  if (again === undefined) throw new Error(`${piece.kind} ${piece.identity} was not captured again`);
  if (again.sql.length === 0) return again;
  return { ...again, sql: [set + path, ...again.sql, set + pins.search_path] };
}

const set = 'set local search_path = ';

/** Returns whether the statement sets the search path for others. */
export function setsPath(sql: string): boolean {
  return sql.startsWith(set);
}

/** Returns a session whose queries run under the path. */
function printing(session: Session, path: string): Session {
  return { ...session, read: (sql, values = []) => session.readUnder(path, sql, values) };
}
