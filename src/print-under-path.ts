import type { Closure, ObjectKey } from './catalog/closure.ts';
import type { Family } from './catalog/index.ts';
import type { Piece } from './catalog/piece.ts';
import { pins } from './pins.ts';
import type { Session } from './session.ts';

/** Pieces, and the family that has captured them. */
export interface Captured {
  readonly family: Family;
  readonly pieces: readonly Piece[];
}

/**
 * Prints pieces again, under a search path of their own, whose expressions need operators that they do not print. Under
 * the same path they are replayed, and so mean what they meant: what this path would hide, the text qualifies.
 *
 * @param schemas those in which an object finds its operators; none of most objects
 * @param makers which piece makes an object
 * @returns all pieces, those under their paths in place of what was captured
 */
export async function printUnderPaths(
  session: Session,
  closure: Closure,
  captured: readonly Captured[],
  schemas: ReadonlyMap<ObjectKey, readonly string[]>,
  makers: ReadonlyMap<ObjectKey, Piece>,
): Promise<Piece[]> {
  const paths = pathsOf(schemas, makers);
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
function pathsOf(
  schemas: ReadonlyMap<ObjectKey, readonly string[]>,
  makers: ReadonlyMap<ObjectKey, Piece>,
): Map<Piece, string> {
  const needed = new Map<Piece, Set<string>>();
  for (const [key, names] of schemas) {
    const piece = makers.get(key);
    if (piece !== undefined) needed.set(piece, new Set([...(needed.get(piece) ?? []), ...names]));
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
  if (path === undefined || key === undefined) return piece;
  const again = printed.get(path)?.get(key);
  if (again === undefined) throw new Error(`${piece.kind} ${piece.identity} was not captured again`);
  return { ...again, sql: [setPath(path), ...again.sql, setPath(pins.search_path ?? '')] };
}

function setPath(path: string): string {
  return `set local search_path = ${path}`;
}

/** What it reads is printed under the path. */
function printing(session: Session, path: string): Session {
  return { ...session, read: (sql, values = []) => session.readUnder(path, sql, values) };
}
