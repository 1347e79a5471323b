import createKnex, { type Knex } from 'knex';
import type { Reach } from '../catalog/closure.ts';
import { readVersions, type Versions } from '../catalog/facts/row-versions.ts';
import { UndropError } from '../errors.ts';
import { type Connection, Conversation } from '../session/conversation.ts';
import { pins } from '../session/pinned-settings.ts';
import { explain } from '../session/server-errors.ts';
import type { Session } from '../session/session.ts';

/** Reads what is committed of the catalog rows about some objects: nothing of what the transaction at work has done. */
export type ReadCommitted = (reach: Reach) => Promise<Versions>;

/**
 * Does work beside which a second connection is open, with the settings of the first: a transaction sees its own changes,
 * and so cannot see whether others have changed the same. It is opened while the work begins.
 *
 * @param work waits for it before it changes anything
 * @throws UndropError `no-connection` where there is no room for a second one; whatever `work` throws
 */
export async function withSecondConnection<T>(
  knex: Knex,
  session: Session,
  work: (opened: Promise<ReadCommitted>) => Promise<T>,
): Promise<T> {
  // There nobody else is.
  if (!session.server.shared) return work(Promise.resolve(async () => new Map()));
  const here = await identify(session);
  const pool = createKnex(secondConfig(knex));
  const opening: Promise<Connection> = pool.client.acquireConnection();
  const opened = opening.then(
    async (connection) => {
      const committed = reader(connection);
      if ((await committed(identify)) !== here) throw anotherServer(session);
      return (reach: Reach) => committed((other) => readVersions(other, reach));
    },
    (error: unknown) => Promise.reject(noSecond(session, error)),
  );
  // It is thrown where the work waits for it.
  opened.catch(() => undefined);
  try {
    return await work(opened);
  } finally {
    await opened.catch(() => undefined);
    await opening.then(
      (connection) => pool.client.releaseConnection(connection),
      () => undefined,
    );
    await pool.destroy();
  }
}

/** Whatever the application has set, hooks of its pool included: they may set the role. */
function secondConfig(knex: Knex): Knex.Config {
  const { config } = knex.client as { config: Knex.Config };
  // One that stays, so that there is room for it to the end.
  const pool = { ...config.pool, min: 0, max: 1, idleTimeoutMillis: 2 ** 31 - 1 };
  return { ...config, pool, acquireConnectionTimeout: 10_000, log: { warn: silent, error: silent } };
}

/** What goes wrong is thrown as well. */
const silent = () => undefined;

type Reading = Pick<Session, 'read'>;

/** Reads in a transaction of its own each time, so that what is committed until then is seen. */
function reader(connection: Connection): <T>(read: (other: Reading) => Promise<T>) => Promise<T> {
  const conversation = new Conversation(connection);
  return async (read) => {
    try {
      await conversation.run(`begin isolation level read committed; ${setSql}`);
      const result = await read(conversation);
      await conversation.run('commit');
      return result;
    } catch (error) {
      throw explain(error);
    }
  };
}

// https://www.postgresql.org/docs/current/runtime-config-query.html#GUC-PLAN-CACHE_MODE
const setSql = `set local search_path = ${pins.search_path}; set local jit = off; set local plan_cache_mode = force_generic_plan`;

// Of two servers, a primary and its standby say, no two were started at the same moment.
const identitySql = /* sql */ `
  select pg_catalog.concat_ws(' ', extract(epoch from pg_catalog.pg_postmaster_start_time()), d.oid) as identity
  from pg_catalog.pg_database as d
  where d.datname = pg_catalog.current_database()`;

async function identify(session: Reading): Promise<string | undefined> {
  const [row] = await session.read<{ identity: string }>(identitySql, []);
  return row?.identity;
}

function noSecond({ database }: Session, cause: unknown): UndropError {
  return new UndropError('no-connection', {
    subject: database,
    message: `A second connection to ${database} is not to be had.`,
    reason: `${cause instanceof Error ? cause.message : String(cause)}
It would show what other sessions commit while the tables are captured and dropped.`,
    next: 'Nothing was changed. Leave room for two connections: connection limits of the role and of the database, max_connections.',
    cause,
  });
}

function anotherServer({ database }: Session): UndropError {
  return new UndropError('unsupported-server', {
    subject: database,
    message: 'Two connections with the same settings led to two servers.',
    reason: `What other sessions change in ${database} can be seen on its own server only.`,
    next: 'Nothing was changed. Connect to the server itself, not to a list of hosts or a load balancer.',
  });
}
