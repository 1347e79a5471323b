import { testNative } from './binaries.ts';
import { startStandby } from './cluster.ts';
import { serverOf, startServer, type TestServer } from './server.ts';
import { until } from './until.ts';

/** A server, and a database on it. */
export interface Node {
  readonly server: TestServer;
  readonly database: string;
  sql<Row = Record<string, unknown>>(text: string): Promise<Row[]>;
}

export function nodeOf(server: TestServer, database: string): Node {
  return { server, database, sql: (text) => server.sql(database, text) };
}

// How long a standby and a subscription wait before they start a worker again. The default is 5 s.
// https://www.postgresql.org/docs/current/runtime-config-replication.html#GUC-WAL-RETRIEVE-RETRY-INTERVAL
const hurried = { wal_retrieve_retry_interval: '100ms' };

/** Starts a server that a test may stop or restart, and that others may replicate from. */
export function startNode(settings: Readonly<Record<string, string>> = {}): Promise<TestServer> {
  return startServer({ native: testNative(), settings: { ...hurried, ...settings } });
}

/** Starts a standby that receives the changes of the primary until it is promoted. */
export async function startStreaming(
  primary: TestServer,
  settings: Readonly<Record<string, string>> = {},
): Promise<TestServer> {
  const { host, port } = primary.config('postgres');
  const admin = await primary.client('postgres');
  const isOld = primary.major < 15;
  try {
    const cluster = await startStandby(
      primary.folder as string,
      {
        start: async () => {
          await admin.query(
            isOld ? `select pg_start_backup('s', true, false)` : `select pg_backup_start('s', true)`,
          );
        },
        stop: async () => {
          const { rows } = await admin.query(
            `select labelfile from ${isOld ? 'pg_stop_backup(false, false)' : 'pg_backup_stop(false)'}`,
          );
          return rows[0].labelfile;
        },
      },
      {
        primary_conninfo: `host=${host} port=${port} user=postgres application_name=standby`,
        ...hurried,
        ...settings,
      },
    );
    return await serverOf(cluster);
  } finally {
    await admin.end();
  }
}

/** Waits until a standby has applied everything that the primary has written. */
export async function standbyCaughtUp(primary: TestServer, standby: TestServer): Promise<void> {
  const position = await end(primary);
  await until(async () => {
    const [row] = await standby.sql('postgres', `select pg_last_wal_replay_lsn() >= '${position}' as done`);
    return row?.done === true;
  });
}

/** The end of the WAL. The commit of a message wakes the WAL writer, which otherwise may write it seconds later. */
async function end(server: TestServer): Promise<string> {
  const [row] = await server.sql<{ lsn: string }>(
    'postgres',
    `select pg_logical_emit_message(true, 'end', '')::text as lsn`,
  );
  return row?.lsn ?? '';
}

/** Subscribes to publications, and waits until the first copy is complete. */
export async function subscribe(
  publisher: Node,
  subscriber: Node,
  publications: string,
  name = 'subscription',
): Promise<void> {
  const { host, port } = publisher.server.config('postgres');
  const from = `host=${host} port=${port} user=postgres dbname=${publisher.database}`;
  await subscriber.sql(
    `create subscription ${name} connection '${from}' publication ${publications}
     with (slot_name = '${slotOf(subscriber, name)}')`,
  );
  await tablesSynced(subscriber);
}

/** Refreshes a subscription, and waits until the tables that it adds are copied. */
export async function refresh(subscriber: Node, options = '', name = 'subscription'): Promise<void> {
  await subscriber.sql(`alter subscription ${name} refresh publication ${options}`);
  await tablesSynced(subscriber);
}

async function tablesSynced(subscriber: Node): Promise<void> {
  await until(async () => {
    const left = await subscriber.sql(`select from pg_subscription_rel where srsubstate <> 'r'`);
    return left.length === 0;
  });
}

/** Slots are of the whole server, and databases have unique names. */
function slotOf({ database }: Node, name: string): string {
  return `${database}_${name}`;
}

/**
 * Waits until a subscriber has applied everything that the publisher has written. Throws where it has stopped: its worker
 * fails and starts again, or its slot is inactive.
 */
export async function subscriberCaughtUp(
  publisher: Node,
  subscriber: Node,
  name = 'subscription',
): Promise<void> {
  const position = await end(publisher.server);
  const isDone = `select s.active and s.confirmed_flush_lsn >= '${position}' as done
    from pg_replication_slots as s where s.slot_name = '${slotOf(subscriber, name)}'`;
  await until(async () => {
    const slots = await publisher.sql(isDone);
    const errors = await applyErrors(subscriber);
    if (errors > 0) throw new Error(`The subscription has stopped: ${errors} errors.`);
    return slots.length === 1 && slots[0]?.done === true;
  });
}

/** The number of errors that stopped the apply worker; not counted before 15. */
async function applyErrors({ server, sql }: Node): Promise<number> {
  if (server.major < 15) return 0;
  const [row] = await sql<{ errors: number }>(
    'select coalesce(sum(apply_error_count), 0)::int as errors from pg_stat_subscription_stats',
  );
  return row?.errors ?? 0;
}

/** Drops a subscription and its slot, also where the publisher no longer has the slot or the publication. */
export async function unsubscribe(publisher: Node, subscriber: Node, name = 'subscription'): Promise<void> {
  await subscriber.sql(`alter subscription ${name} disable`);
  await subscriber.sql(`alter subscription ${name} set (slot_name = none)`);
  await subscriber.sql(`drop subscription ${name}`);
  const slot = slotOf(subscriber, name);
  await until(async () => {
    const used = await publisher.sql(
      `select from pg_replication_slots where slot_name = '${slot}' and active`,
    );
    return used.length === 0;
  });
  await publisher.sql(
    `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '${slot}'`,
  );
}
