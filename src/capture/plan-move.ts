import type { Closure, Edge, ObjectKey } from '../catalog/closure.ts';
import { readDropStatements } from '../catalog/drop-statements.ts';
import { divide } from '../catalog/moved-members.ts';
import type { Obstacle } from '../catalog/obstacle.ts';
import type { Piece } from '../catalog/piece.ts';
import type { Session } from '../session/session.ts';

/** What is dropped before tables are moved, because it does not move with them. */
export interface Move {
  readonly dropped: ReadonlySet<ObjectKey>;
  /** The statements that drop it, in order. */
  readonly drops: readonly string[];
  /** Whether partitions are detached from a parent that stays. */
  readonly detaches: boolean;
}

/** A planned move. */
interface PlannedMove extends Move {
  /** The pieces that need not be replayed after the tables were moved back. */
  readonly moved: ReadonlySet<Piece>;
  /** Whether these pieces can be replayed without the others. */
  readonly isIndependent: boolean;
  readonly obstacles: readonly Obstacle[];
}

/**
 * Plans a move of the tables in a closure.
 *
 * @param order the pieces in replay order; objects are dropped in the reverse order
 * @param maker the piece that creates each object
 */
export async function planMove(
  session: Session,
  closure: Closure,
  edges: readonly Edge[],
  order: readonly Piece[],
  maker: ReadonlyMap<ObjectKey, Piece>,
): Promise<PlannedMove> {
  const { dropped, detached, obstacles, isBound } = await divide(session, closure, edges);
  const places = new Map(order.map((piece, place) => [piece, place]));
  const placeOf = (key: ObjectKey) => {
    const piece = maker.get(key);
    return piece === undefined ? -1 : (places.get(piece) ?? -1);
  };
  const members = closure.members.filter(({ key, objsubid }) => objsubid === 0 && dropped.has(key));
  const drops = await readDropStatements(session, members);
  const removed = new Set([...dropped, ...detached.map(({ link }) => link)]);
  const removals = [...drops, ...detached.map(({ link, sql }) => ({ key: link, sql }))];
  const undroppable = drops
    .filter(({ sql }) => sql === null)
    .map(({ kind, identity }) => ({
      identity,
      reason: `objects of type ${kind} cannot be dropped alone, so the table cannot be moved; rows: 'copy' can`,
    }));
  return {
    dropped,
    detaches: detached.length > 0,
    isIndependent: !isBound,
    drops: removals.sort((a, b) => placeOf(b.key) - placeOf(a.key)).flatMap(({ sql }) => sql ?? []),
    moved: new Set(order.filter((piece) => !isReplayed(piece, removed))),
    obstacles: [...obstacles, ...undroppable],
  };
}

/** A piece that creates nothing changes the first object that it needs, or none. */
function isReplayed({ creates, needs }: Piece, removed: ReadonlySet<ObjectKey>): boolean {
  if (creates.length > 0) return creates.some((key) => removed.has(key));
  const [subject] = needs;
  return subject === undefined || removed.has(subject);
}
