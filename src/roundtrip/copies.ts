import createKnex, { type Knex } from 'knex';
import { sqlState, UndropError } from '../errors.ts';
import { clientConfig, connect } from '../knex/connection.ts';
import type { Settings } from '../knex/settings.ts';
import { quoteName } from '../options/table-name.ts';

/** A copy of the source database. */
export interface Copy {
  readonly settings: Settings;
  readonly knex: Knex;
  drop(): Promise<void>;
}

export interface Copies {
  make(): Promise<Copy>;
  /** Drops all copies and closes the connection. No copy can be made afterwards. */
  end(): Promise<void>;
}

// Knex would log an error for each connection that is terminated when its copy is dropped.
const log = { warn: () => undefined, error: () => undefined };

/**
 * Makes copies of a database with CREATE DATABASE … TEMPLATE. The source is copied once, into a template that no session
 * connects to. The other copies are made from that template, so they are identical, OIDs included, even if the source
 * changes meanwhile.
 *
 * @throws UndropError `in-use` while other sessions are connected to the source, `insufficient-privilege`, `no-connection`
 */
export async function openCopies(source: Settings): Promise<Copies> {
  const database = source.database === 'postgres' ? 'template1' : 'postgres';
  const server = await connect({ settings: { ...source, database }, embedded: undefined });
  const names = new Set<string>();
  const pools = new Set<Knex>();
  let count = 0;
  let ended = false;

  const create = async (template: string): Promise<string> => {
    const name = `undrop_roundtrip_${process.pid}_${++count}`;
    names.add(name);
    await server.query(`create database ${quoteName(name)} template ${quoteName(template)}`);
    return name;
  };
  const drop = async (name: string): Promise<void> => {
    await server.query(`drop database if exists ${quoteName(name)} with (force)`);
    names.delete(name);
  };
  const end = async (): Promise<void> => {
    if (ended) return;
    ended = true;
    // First, since a pool waits for its connections to be released.
    for (const name of names) await drop(name);
    for (const pool of pools) await pool.destroy();
    await server.end();
  };

  try {
    const pristine = await create(source.database).catch((error) => {
      throw explain(error, source.database);
    });
    const make = async (): Promise<Copy> => {
      const name = await create(pristine);
      const settings = { ...source, database: name };
      const connection = clientConfig({ settings, embedded: undefined }) as Knex.PgConnectionConfig;
      const knex = createKnex({ client: 'pg', connection, pool: { min: 0, max: 1 }, log });
      pools.add(knex);
      const dropCopy = async () => {
        pools.delete(knex);
        await knex.destroy();
        await drop(name);
      };
      return { settings, knex, drop: dropCopy };
    };
    return { make, end };
  } catch (error) {
    await end();
    throw error;
  }
}

function explain(error: unknown, database: string): unknown {
  const reason = error instanceof Error ? error.message : String(error);
  switch (sqlState(error)) {
    case '55006':
      return new UndropError('in-use', {
        subject: database,
        message: `${database} cannot be copied while other sessions are connected to it.`,
        reason,
        next: `Terminate the sessions that pg_stat_activity lists with datname = '${database}', or restore a backup and name that database.`,
        cause: error,
      });
    case '42501':
      return new UndropError('insufficient-privilege', {
        subject: database,
        message: `The role has no permission to copy ${database}.`,
        reason,
        next: 'Connect as the owner of the database with the role attribute CREATEDB, or as a superuser.',
        cause: error,
      });
    case '3D000':
      return new UndropError('no-connection', {
        subject: database,
        message: `The database ${database} does not exist.`,
        reason,
        next: 'Correct the URL.',
        cause: error,
      });
    default:
      return error;
  }
}
