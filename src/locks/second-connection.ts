import createKnex, { type Knex } from 'knex';
import { UndropError } from '../errors.ts';
import { pins } from '../session/pinned-settings.ts';
import { explain } from '../session/server-errors.ts';
import type { Session } from '../session/session.ts';
import { type Connection, statementsOn } from '../session/statements.ts';

/** Reads committed data, without the changes of the migration's transaction. */
export type ReadCommitted = <T>(read: (other: Pick<Session, 'read'>) => Promise<T>) => Promise<T>;

/**
 * Does work while a second connection is open, with the settings of the first. A transaction sees its own changes, and
 * so cannot tell whether another session has changed the same rows. The connection is opened while the work starts.
 *
 * @param work must read committed data before it changes anything: only then is it known that the connection is open, to
 * the same server. `committed` is undefined on an embedded server, which has no other sessions
 * @throws UndropError `no-connection` if a second connection cannot be opened, `unsupported-server` if it reaches
 * another server; whatever `work` throws
 */
export async function withSecondConnection<T>(
  knex: Knex,
  session: Session,
  work: (committed: ReadCommitted | undefined) => Promise<T>,
): Promise<T> {
  if (!session.server.shared) return work(undefined);
  const [row] = await session.read<{ identity: string }>(identitySql);
  const pool = createKnex(secondConfig(knex));
  const opening: Promise<Connection> = pool.client.acquireConnection();
  const opened = opening.then(
    (connection) =>
      reader(connection, (identity) => {
        if (identity !== row?.identity) throw anotherServer(session);
      }),
    (error: unknown) => Promise.reject(noSecond(session, error)),
  );
  // The error is thrown where `work` reads.
  opened.catch(() => undefined);
  try {
    return await work(async (read) => (await opened)(read));
  } finally {
    await opening.then(
      (connection) => pool.client.releaseConnection(connection),
      () => undefined,
    );
    await pool.destroy();
  }
}

/** The application's own configuration, including the hooks of its pool, which may set the role. */
function secondConfig(knex: Knex): Knex.Config {
  const { config } = knex.client as { config: Knex.Config };
  // The one connection stays open until the work has ended.
  const pool = {
    ...config.pool,
    min: 0,
    max: 1,
    idleTimeoutMillis: 2 ** 31 - 1,
    createTimeoutMillis: patience,
  };
  return { ...config, pool, acquireConnectionTimeout: patience, log: { warn: silent, error: silent } };
}

const patience = 10_000;

/** Errors that Knex would log are thrown as well. */
const silent = () => undefined;

/**
 * Returns a function that reads in a new transaction each time, and so sees everything committed until then.
 *
 * @param check receives the identity of the server, which a pooler may change from one transaction to the next
 */
function reader(connection: Connection, check: (identity: unknown) => void): ReadCommitted {
  const statements = statementsOn(connection);
  return async (read) => {
    try {
      const [row] = await statements.run(`begin isolation level read committed; ${setSql}; ${identitySql}`);
      check(row?.identity);
      const result = await read(statements);
      await statements.run('commit');
      return result;
    } catch (error) {
      throw explain(error);
    }
  };
}

// https://www.postgresql.org/docs/current/runtime-config-query.html#GUC-PLAN-CACHE_MODE
const setSql = `set local search_path = ${pins.search_path}; set local jit = off; set local plan_cache_mode = force_generic_plan`;

// Two servers, such as a primary and its standby, differ in their start time.
const identitySql = /* sql */ `
  select pg_catalog.concat_ws(' ', extract(epoch from pg_catalog.pg_postmaster_start_time()), d.oid) as identity
  from pg_catalog.pg_database as d
  where d.datname = pg_catalog.current_database()`;

function noSecond({ database }: Session, cause: unknown): UndropError {
  return new UndropError('no-connection', {
    subject: database,
    message: `A second connection to ${database} could not be opened.`,
    reason: `${cause instanceof Error ? cause.message : String(cause)}
It is needed to see what other sessions commit while the tables are captured and dropped.`,
    next: 'Nothing was changed. Allow two connections: check the connection limits of the role and the database, and max_connections.',
    cause,
  });
}

function anotherServer({ database }: Session): UndropError {
  return new UndropError('unsupported-server', {
    subject: database,
    message: 'Two connections with the same settings reached two different servers.',
    reason: `Changes that other sessions make in ${database} are visible only on the same server.`,
    next: 'Nothing was changed. Connect to the server directly, not through a list of hosts or a load balancer.',
  });
}
