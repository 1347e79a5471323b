import type { Closure, ObjectKey, Reach } from '../catalog/closure.ts';
import { changedBetween } from '../catalog/facts/row-versions.ts';
import { Changed } from './lock-retries.ts';
import type { ReadCommitted } from './second-connection.ts';

/** A closure, and what other sessions commit about it: GRANT, COMMENT, renamed indexes and more go past our locks. */
export interface Watch {
  readonly closure: Closure;
  /** The closure as it is by now: the same object as long as others have changed nothing of it. */
  renew(): Promise<Closure>;
  /**
   * @param survivors whether changes of those count too
   * @throws Changed where others have committed a change since the closure was read last
   */
  check(survivors: boolean): Promise<void>;
}

/**
 * Reads a closure and watches it. Of the rows that a DROP has deleted, what is committed then stays so: who changes one,
 * or adds to what it describes, waits for the drop and fails. So a check after the drop finds whatever came before it.
 * Only what has come to need a type or a function takes no lock, and needs a check at the very end.
 *
 * @param reach what it consists of at the most
 */
export async function watchClosure(
  reach: Reach,
  committed: ReadCommitted,
  read: () => Promise<Closure>,
): Promise<Watch> {
  // The versions first, so that what is changed after them is noticed, whether the closure has it or not.
  let versions = await committed(reach);
  const first = await read();
  let closure = first;
  const own = new Set(reach.members.filter(({ objsubid }) => objsubid === 0).map(({ key }) => key));
  return {
    closure: first,
    renew: async () => {
      const now = await committed(reach);
      if (changedBetween(versions, now).length > 0) [versions, closure] = [now, await read()];
      return closure;
    },
    check: async (survivors) => {
      const changed = changedBetween(versions, await committed(reach));
      const counting = survivors ? changed : changed.filter((key) => own.has(key));
      if (counting.length > 0) throw new Changed(counting.map((key) => nameOf(closure, key)));
    },
  };
}

function nameOf({ members, survivors }: Closure, key: ObjectKey): string {
  const member = members.find((one) => one.key === key && one.objsubid === 0);
  const { kind, identity } = member ?? survivors.find(({ oid }) => key.endsWith(`/${oid}`)) ?? {};
  return identity === undefined ? `object ${key}` : `${kind} ${identity}`;
}
