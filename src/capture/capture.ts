import { type Closure, type Edge, type Member, type ObjectKey, readEdges } from '../catalog/closure.ts';
import { type Facts, readFacts } from '../catalog/facts/facts.ts';
import { families } from '../catalog/families/index.ts';
import { captureRows, type RowTable } from '../catalog/families/rows.ts';
import type { Obstacle } from '../catalog/obstacle.ts';
import { type Piece, phases } from '../catalog/piece.ts';
import { findObstacles } from '../catalog/refusals.ts';
import { readUnprinted } from '../catalog/search-paths.ts';
import { findUnsafe } from '../catalog/strangers.ts';
import { UndropError } from '../errors.ts';
import type { Options } from '../options/options.ts';
import type { Session } from '../session/session.ts';
import { withArrayTypes } from './array-types.ts';
import { fingerprintOf } from './fingerprint.ts';
import { type Move, planMove } from './plan-move.ts';
import { printUnderPaths } from './print-under-path.ts';

/** A statement that recreates an object or a part of it. */
export interface Statement {
  /** The object type as PostgreSQL names it: `table`, `index`, `table constraint`. */
  readonly kind: string;
  /** The name of the object, qualified. */
  readonly identity: string;
  /** Without a trailing semicolon. */
  readonly sql: string;
  /** True for a statement that is not replayed where the table was moved, because its object was moved too. */
  readonly moved?: true;
}

/** What is needed to restore a closure, and to verify the restore. */
export interface Capture {
  readonly statements: readonly Statement[];
  readonly facts: Facts;
  readonly fingerprint: string;
  /** The tables whose rows are copied into the archive. */
  readonly rows: readonly RowTable[];
  /**
   * The statements that recreate the tables with their rows, without what ties them to other objects. Undefined where
   * no rows are copied, or these statements depend on the others.
   */
  readonly rowStatements: readonly Statement[] | undefined;
  /** Undefined where the tables are dropped. */
  readonly move: Move | undefined;
}

/** What happens to the rows, and which table of the archive contains those of a table, given its number from 1. */
export interface RowsOfEntry {
  readonly rows: Options['rows'];
  readonly storeOf: (table: string, number: number) => string;
}

/**
 * Reads the statements and facts of a closure.
 *
 * @throws UndropError `not-reproducible`, which names each object that could not be recreated exactly, and why
 */
export async function captureClosure(
  session: Session,
  closure: Closure,
  { rows: mode, storeOf }: RowsOfEntry,
): Promise<Capture> {
  const rows = mode === 'refuse' ? { tables: [], pieces: [] } : await captureRows(session, closure, storeOf);
  const [{ obstacles, ...captured }, { facts, fingerprint }] = await readAll(session, closure, [
    () => captureStatements(session, closure, { rows: rows.pieces, mode }),
    // The facts are hashed while the server answers the other queries.
    async () => {
      const facts = await readFacts(session, closure);
      return { facts, fingerprint: fingerprintOf(facts.own) };
    },
  ]);
  if (obstacles.length > 0) throw notReproducible(obstacles);
  return { ...captured, facts, fingerprint, rows: mode === 'copy' ? rows.tables : [] };
}

export function notReproducible(obstacles: readonly Obstacle[]): UndropError {
  return new UndropError('not-reproducible', {
    subject: obstacles.map(({ identity }) => identity).join(', '),
    message: `${obstacles.length} of the objects that the drop removes could not be recreated exactly.`,
    reason: obstacles.map(({ identity, reason }) => `${identity}: ${reason}`).join('\n'),
    next: 'Drop or change these objects in a separate migration, or leave the table out.',
  });
}

interface Captured extends Pick<Capture, 'rowStatements' | 'move'> {
  readonly statements: Statement[];
  readonly obstacles: Obstacle[];
}

/**
 * Returns the statements in replay order, and the obstacles to an exact restore.
 *
 * @param rows pieces that restore the rows, to be ordered among the statements
 * @param mode what happens to the rows, and whether the tables are moved, not dropped
 */
export async function captureStatements(
  session: Session,
  closure: Closure,
  { rows = [], mode = 'refuse' }: { rows?: readonly Piece[]; mode?: Options['rows'] } = {},
): Promise<Captured> {
  const known = await findObstacles(session, closure);
  const [edges, unprinted, ...captured] = await readAll(session, closure, [
    () => readEdges(session, closure),
    () => readUnprinted(session, closure),
    ...Object.values(families).map((family) => async () => ({
      family,
      pieces: await family(session, closure),
    })),
  ]);
  const first = findMakers(
    closure.members,
    captured.flatMap(({ pieces }) => pieces),
  );
  const pieces = [...rows, ...(await printUnderPaths(session, closure, captured, unprinted, first))];
  const maker = findMakers(closure.members, pieces);
  const named = new Set(known.map(({ identity }) => identity));
  const unmade = closure.members
    .filter((member) => member.objsubid === 0 && !maker.has(member.key) && !named.has(member.identity))
    .map(({ kind, identity }) => ({ identity, reason: `objects of type ${kind} cannot be recreated` }));
  const { order, cycle } = sort(pieces, maker, edges);
  const isPlanned = mode === 'move' || (mode === 'copy' && rows.length > 0);
  const plan = isPlanned ? await planMove(session, closure, edges, order, maker) : undefined;
  const move = mode === 'move' ? plan : undefined;
  const statementsOf = (piece: Piece): Statement[] =>
    piece.sql.map((text) => ({
      kind: piece.kind,
      identity: piece.identity,
      sql: withArrayTypes(text),
      ...(move?.moved.has(piece) ? { moved: true as const } : {}),
    }));
  return {
    statements: order.flatMap(statementsOf),
    rowStatements:
      mode === 'copy' && plan?.isIndependent
        ? order.filter((piece) => plan.moved.has(piece)).flatMap(statementsOf)
        : undefined,
    obstacles: [
      ...known,
      ...(await findUnsafe(session, unprinted)),
      ...unmade,
      ...cycle,
      ...(move?.obstacles ?? []),
    ],
    move,
  };
}

// With more members, the answers to all queries at the same time would need too much memory.
const fewMembers = 2000;

/** Runs tasks that read a closure, concurrently unless the closure is very large. Returns their results. */
async function readAll<Results extends readonly unknown[]>(
  session: Session,
  { members }: Closure,
  tasks: readonly [...{ [Place in keyof Results]: () => Promise<Results[Place]> }],
): Promise<Results> {
  const results: unknown[] = [];
  if (members.length <= fewMembers) results.push(...(await session.together(tasks.map((task) => task()))));
  else for (const task of tasks) results.push(await task());
  return results as readonly unknown[] as Results;
}

/** Returns the piece that creates each object. A part of another object is created together with that object. */
function findMakers(members: readonly Member[], pieces: readonly Piece[]): Map<ObjectKey, Piece> {
  const makers = new Map(pieces.flatMap((piece) => piece.creates.map((key) => [key, piece] as const)));
  const byKey = new Map(members.map((member) => [member.key, member]));
  const find = (member: Member | undefined): Piece | undefined => {
    if (member === undefined) return undefined;
    const made = makers.get(member.key);
    if (made !== undefined || member.partOf === null) return made;
    return find(byKey.get(member.partOf));
  };
  // Pieces may also create objects that are not members, such as the link of a partition to its parent.
  const result = new Map(makers);
  for (const member of members) {
    const piece = find(member);
    if (piece !== undefined) result.set(member.key, piece);
  }
  return result;
}

/**
 * Sorts pieces topologically. Pieces that do not depend on each other are ordered by phase, then by capture order.
 * Pieces in a dependency cycle are left out of the order and returned as obstacles.
 */
function sort(pieces: readonly Piece[], makers: ReadonlyMap<ObjectKey, Piece>, edges: readonly Edge[]) {
  const ranked = [...pieces].sort((a, b) => phases.indexOf(a.phase) - phases.indexOf(b.phase));
  const rank = new Map(ranked.map((piece, index) => [piece, index]));
  const needed = new Map<Piece, Set<Piece>>(pieces.map((piece) => [piece, new Set()]));
  const neededBy = new Map<Piece, Piece[]>(pieces.map((piece) => [piece, []]));
  const need = (from: Piece | undefined, to: Piece | undefined) => {
    if (from === undefined || to === undefined || from === to || needed.get(from)?.has(to)) return;
    needed.get(from)?.add(to);
    neededBy.get(to)?.push(from);
  };
  for (const { from, to } of edges) need(makers.get(from), makers.get(to));
  for (const piece of pieces) for (const key of piece.needs) need(piece, makers.get(key));

  const ready = new Ranks(ranked.flatMap((piece, index) => (needed.get(piece)?.size === 0 ? [index] : [])));
  const order: Piece[] = [];
  for (let index = ready.take(); index !== undefined; index = ready.take()) {
    const piece = ranked[index];
    if (piece === undefined) break;
    order.push(piece);
    for (const next of neededBy.get(piece) ?? []) {
      const waiting = needed.get(next);
      waiting?.delete(piece);
      if (waiting?.size === 0) ready.add(rank.get(next) ?? 0);
    }
  }
  const cycle = findCycle(
    ranked.filter((piece) => needed.get(piece)?.size !== 0),
    needed,
    neededBy,
  );
  return { order: sortRefreshes(order), cycle };
}

/** Orders the refreshes of materialized views by creation: a view can only read views that were created before it. */
function sortRefreshes(order: readonly Piece[]): Piece[] {
  const places = new Map(order.flatMap(({ creates }, place) => creates.map((key) => [key, place] as const)));
  const madeAt = ({ needs }: Piece) => Math.max(...needs.map((key) => places.get(key) ?? 0));
  const refreshes = order.filter(({ phase }) => phase === 'refresh');
  return [
    ...order.filter(({ phase }) => phase !== 'refresh'),
    ...refreshes.sort((a, b) => madeAt(a) - madeAt(b)),
  ];
}

/** Returns those of the unordered pieces that are part of a cycle, without those that only depend on one. */
function findCycle(
  left: readonly Piece[],
  needed: ReadonlyMap<Piece, ReadonlySet<Piece>>,
  neededBy: ReadonlyMap<Piece, readonly Piece[]>,
): Obstacle[] {
  const circle = new Set(left);
  const behind = () =>
    [...circle].filter((piece) => !neededBy.get(piece)?.some((other) => circle.has(other)));
  for (let pieces = behind(); pieces.length > 0; pieces = behind())
    for (const piece of pieces) circle.delete(piece);
  return [...circle].map((piece) => {
    const others = [...(needed.get(piece) ?? [])].filter((other) => circle.has(other));
    return {
      identity: piece.identity,
      reason: `it can only be created after ${others.map(({ kind, identity }) => `${kind} ${identity}`).join(', ')}, which can only be created after it`,
    };
  });
}

/** A priority queue of ranks, smallest first. The array is sorted in descending order. */
class Ranks {
  readonly #ranks: number[];

  constructor(ranks: readonly number[]) {
    this.#ranks = [...ranks].sort((a, b) => b - a);
  }

  add(rank: number): void {
    let low = 0;
    let high = this.#ranks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ranks[middle] ?? 0) > rank) low = middle + 1;
      else high = middle;
    }
    this.#ranks.splice(low, 0, rank);
  }

  take(): number | undefined {
    return this.#ranks.pop();
  }
}
