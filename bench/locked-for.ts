import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';

const locksSql = /* sql */ `
  select exists (
    select from pg_catalog.pg_locks as l
    where l.relation = any ($1::regclass[])
      and l.mode = 'AccessExclusiveLock' and l.granted) as locked`;

/**
 * How long one of the tables is locked exclusively during the work, in milliseconds: from the last poll without the locks to
 * the next poll without them.
 *
 * @param observer a connection of its own, which polls pg_locks continuously
 */
export async function lockedFor(
  observer: Pick<Client, 'query'>,
  tables: readonly string[],
  work: () => Promise<unknown>,
): Promise<number> {
  const working = { on: true };
  const done = work().finally(() => {
    working.on = false;
  });
  let before = performance.now();
  let since: number | undefined;
  let total = 0;
  for (;;) {
    const now = performance.now();
    const { rows } = await observer.query(locksSql, [tables]);
    if (rows[0].locked) since ??= before;
    else {
      if (since !== undefined) total += now - since;
      since = undefined;
      before = now;
      if (!working.on) break;
    }
    await sleep(0);
  }
  await done;
  return total;
}
