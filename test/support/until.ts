import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';

/**
 * Waits until a condition holds. Only the time limit of the test ends it, so that a slow machine is not a failure; or the end
 * of the work that leads to the condition, so that the test fails instead of hanging.
 */
export async function until(holds: () => boolean | Promise<boolean>, work?: Promise<unknown>): Promise<void> {
  let ended = false;
  const end = () => {
    ended = true;
  };
  work?.then(end, end);
  while (!ended && !(await holds())) await sleep(20);
}

/** Whether another session waits for a lock that this client holds: the time since when. */
export async function blocks(client: pg.Client): Promise<string | undefined> {
  // Unlike pg_stat_activity, pg_locks is read anew within a transaction.
  const { rows } = await client.query<{ since: string | null }>(
    `select pg_catalog.max(l.waitstart)::text as since from pg_catalog.pg_locks as l
     where not l.granted and pg_catalog.pg_backend_pid() = any (pg_catalog.pg_blocking_pids(l.pid))`,
  );
  return rows[0]?.since ?? undefined;
}

/**
 * Waits until another session waits for a lock that this client holds; with the result of an earlier call, until one waits
 * again.
 */
export async function untilBlocking(client: pg.Client, earlier?: string): Promise<string> {
  let since: string | undefined;
  await until(async () => {
    since = await blocks(client);
    return since !== undefined && since !== earlier;
  });
  return since ?? '';
}
