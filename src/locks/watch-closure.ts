import type { Closure, ObjectKey, Reach } from '../catalog/closure.ts';
import { changedBetween, readNeeding, readVersions, type Versions } from '../catalog/facts/row-versions.ts';
import { Changed } from './lock-retries.ts';
import type { ReadCommitted } from './second-connection.ts';

/**
 * A closure that is watched for changes by other sessions: table locks do not prevent GRANT, COMMENT, renaming an index
 * and others.
 */
export interface Watch {
  readonly closure: Closure;
  /** Returns the current closure: the same JavaScript object unless another session has changed it. */
  renew(): Promise<Closure>;
  /** @throws Changed if another session has committed a change since the closure was last read */
  check(): Promise<void>;
  /** @throws Changed if another session has committed an object that depends on the closure, which is dropped by now */
  checkDropped(): Promise<void>;
}

/**
 * Reads a closure and watches it. Once DROP has deleted catalog rows, their committed state no longer changes: a
 * session that changes one of them, or adds to its object, waits for the drop and then fails. A check after the drop
 * therefore finds all earlier changes. Only a new dependency on a type or a function takes no lock, and needs a last
 * check at the end.
 *
 * @param reach all objects that the closure may consist of
 * @param before the versions before the closure is read, so that any later change is noticed, whether or not the closure
 * already reflects it
 * @param committed reads committed data; undefined if there are no other sessions
 */
export async function watchClosure(
  reach: Reach,
  before: Versions,
  committed: ReadCommitted | undefined,
  read: () => Promise<Closure>,
): Promise<Watch> {
  const readDepending = async () => (await committed?.((other) => readNeeding(other, reach))) ?? none.needing;
  let versions = before;
  const first = await read();
  let closure = first;
  return {
    closure: first,
    renew: async () => {
      const current = await committedVersions(committed, reach);
      if (changedBetween(versions, current).length > 0) [versions, closure] = [current, await read()];
      return closure;
    },
    check: async () => refuseChanged(changedBetween(versions, await committedVersions(committed, reach))),
    checkDropped: async () =>
      refuseChanged(changedBetween(versions, { ...versions, needing: await readDepending() })),
  };
}

const none: Versions = { own: new Map(), needing: new Map() };

/** Returns the committed versions of the objects; none if there are no other sessions. */
export async function committedVersions(
  committed: ReadCommitted | undefined,
  reach: Reach,
): Promise<Versions> {
  return (await committed?.((other) => readVersions(other, reach))) ?? none;
}

/** @throws Changed if there are any objects */
export function refuseChanged(changed: readonly ObjectKey[]): void {
  if (changed.length > 0) throw new Changed(changed);
}
