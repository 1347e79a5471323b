import createKnex, { type Knex } from 'knex';
import { sqlState, UndropError } from '../errors.ts';
import { clientConfig, connect } from '../knex/connection.ts';
import type { Settings } from '../knex/settings.ts';
import { quoteName } from '../options/table-name.ts';

/** A database of our own, with the contents that the source had when all began. */
export interface Copy {
  readonly settings: Settings;
  readonly knex: Knex;
  drop(): Promise<void>;
}

export interface Copies {
  make(): Promise<Copy>;
  /** Drops every copy that is left, and lets no more be made. */
  end(): Promise<void>;
}

// What Knex has to say of connections that go with their copy is of no interest.
const log = { warn: () => undefined, error: () => undefined };

/**
 * Copies of a database, made by its own server. The source is read once, into a copy that nobody connects to, and
 * the others are made from that one: they are alike down to the OIDs, whatever happens to the source meanwhile.
 *
 * @throws UndropError `in-use` while others are connected to the source, `insufficient-privilege`, `no-connection`
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
    // First, since a pool waits for whoever still works with it.
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
        message: `${database} cannot be copied while others are connected to it.`,
        reason,
        next: `End them; pg_stat_activity lists those with datname = '${database}'. Or restore a backup, and name that one.`,
        cause: error,
      });
    case '42501':
      return new UndropError('insufficient-privilege', {
        subject: database,
        message: `${database} cannot be copied by this role.`,
        reason,
        next: 'Connect as the owner of the database with the attribute CREATEDB, or as a superuser.',
        cause: error,
      });
    case '3D000':
      return new UndropError('no-connection', {
        subject: database,
        message: `There is no database ${database}.`,
        reason,
        next: 'Correct the URL.',
        cause: error,
      });
    default:
      return error;
  }
}
