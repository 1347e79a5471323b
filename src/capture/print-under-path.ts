import type { Closure, ObjectKey } from '../catalog/closure.ts';
import type { Family } from '../catalog/families/index.ts';
import type { Piece } from '../catalog/piece.ts';
import type { Unprinted } from '../catalog/search-paths.ts';
import { pins } from '../session/pinned-settings.ts';
import type { Session } from '../session/session.ts';

/** Pieces, and the family that has captured them. */
export interface Captured {
  readonly family: Family;
  readonly pieces: readonly Piece[];
}

/**
 * Prints pieces again, under a search path of their own, whose expressions need operators that they do not print. Under
 * the same path they are replayed, and so mean what they meant: what this path would hide, the text qualifies.
 *
 * @param unprinted the objects with such expressions
 * @param makers which piece makes an object
 * @returns all pieces, those under their paths in place of what was captured
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

/** One path a piece, since it may make several of the objects: a table has generated columns. */
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
  // What is cloned from a parent needs no text of its own, but statements that may not look up anything elsewhere.
  if (path === undefined || key === undefined || piece.phase === 'clone') return piece;
  const again = printed.get(path)?.get(key);
  if (again === undefined) throw new Error(`${piece.kind} ${piece.identity} was not captured again`);
  if (again.sql.length === 0) return again;
  return { ...again, sql: [set + path, ...again.sql, set + pins.search_path] };
}

const set = 'set local search_path = ';

/** Whether the statement is one of those that stand before and after others. */
export function setsPath(sql: string): boolean {
  return sql.startsWith(set);
}

/** What it reads is printed under the path. */
function printing(session: Session, path: string): Session {
  return { ...session, read: (sql, values = []) => session.readUnder(path, sql, values) };
}
