import createKnex, { type Knex } from 'knex';
import pg from 'pg';
import { announce } from '../knex/announce.ts';
import type { Target } from '../knex/target.ts';
import { unreachable } from '../knex/unreachable.ts';
import { type Knexfile, within } from './load-knexfile.ts';

/**
 * Returns a Knex for the connection of a knexfile, which is reached and printed. The caller destroys it.
 *
 * @throws UndropError `no-connection`
 */
export async function openKnexfile({ config, folder }: Knexfile): Promise<Knex> {
  return within(folder, async () => {
    const knex = createKnex(config);
    // That of undropConfig prints its database itself, and explains why it cannot be reached.
    if (Object(config.migrations?.migrationSource).undropFolder !== undefined) return knex;
    try {
      const target = await targetOf(config);
      await reach(knex, target);
      announce(target);
      return knex;
    } catch (error) {
      await knex.destroy();
      throw error;
    }
  });
}

async function reach(knex: Knex, { settings }: Target): Promise<void> {
  try {
    await knex.client.releaseConnection(await knex.client.acquireConnection());
  } catch (error) {
    throw unreachable(error, settings);
  }
}

/** Describes the connection with the defaults of the driver. */
async function targetOf({ connection }: Knex.Config): Promise<Target> {
  const given = typeof connection === 'function' ? await connection() : connection;
  const { host, port, user = '', database = '' } = new pg.Client(given as string | pg.ClientConfig);
  return { settings: { host, port, user, database, ssl: { mode: 'disable' } }, embedded: undefined };
}
