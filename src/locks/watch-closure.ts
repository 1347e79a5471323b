import type { Closure, ObjectKey, Reach } from '../catalog/closure.ts';
import { changedBetween, type Versions } from '../catalog/facts/row-versions.ts';
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
  /**
   * @param survivors whether changes to survivors count too
   * @throws Changed if another session has committed a change since the closure was last read
   */
  check(survivors: boolean): Promise<void>;
}

/**
 * Reads a closure and watches it. Once DROP has deleted catalog rows, their committed state no longer changes: a
 * session that changes one of them, or adds to its object, waits for the drop and then fails. A check after the drop
 * therefore finds all earlier changes. Only a new dependency on a type or a function takes no lock, and needs a last
 * check at the end.
 *
 * @param reach all objects that the closure may consist of
 * @param before the versions before it is read, so that any later change is noticed, whether or not the closure already
 * reflects it
 */
export async function watchClosure(
  reach: Reach,
  before: Versions,
  committed: ReadCommitted,
  read: () => Promise<Closure>,
): Promise<Watch> {
  let versions = before;
  const first = await read();
  let closure = first;
  const own = new Set(reach.members.filter(({ objsubid }) => objsubid === 0).map(({ key }) => key));
  return {
    closure: first,
    renew: async () => {
      const current = await committed(reach);
      if (changedBetween(versions, current).length > 0) [versions, closure] = [current, await read()];
      return closure;
    },
    check: async (survivors) => {
      const changed = changedBetween(versions, await committed(reach));
      refuseChanged(survivors ? changed : changed.filter((key) => own.has(key)));
    },
  };
}

/** @throws Changed if there are any objects */
export function refuseChanged(changed: readonly ObjectKey[]): void {
  if (changed.length > 0) throw new Changed(changed);
}
