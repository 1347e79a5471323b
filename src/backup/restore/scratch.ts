import { randomBytes } from 'node:crypto';
import createKnex, { type Knex } from 'knex';
import type { Client } from 'pg';
import { sqlState, UndropError } from '../../errors.ts';
import { clientConfig, connect } from '../../knex/connection.ts';
import type { Target } from '../../knex/target.ts';
import { quoteName } from '../../options/table-name.ts';
import { readRows } from '../../session/read-rows.ts';
import { unlessAborted } from '../../text/unless-aborted.ts';
import type { Manifest } from '../manifest.ts';

/**
 * Creates an empty scratch database with the encoding and the locale of the database `like`, and drops it when `work` ends.
 *
 * @param signal stops the work; its reason is thrown
 * @param purpose a part of its name: `undrop_<purpose>_…`
 * @throws UndropError `insufficient-privilege`, and any error of `work`
 */
export async function withScratch<T>(
  server: Target,
  like: Manifest['database'],
  purpose: string,
  work: (scratch: Target) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const name = `undrop_${purpose}_${process.pid}_${randomBytes(4).toString('hex')}`;
  return withClient(server, async (client) => {
    signal?.throwIfAborted();
    const elsewhere = purpose === 'proof' ? ' Or name another server with --prove-on <url>.' : '';
    await createDatabase(client, name, like, elsewhere);
    try {
      return await unlessAborted(signal, work(on(server, name)));
    } finally {
      // This terminates the sessions of work that was aborted.

      await dropDatabase(client, name);
    }
  });
}

/** Returns the target of another database on the same server. */
export function on({ settings }: Target, database: string): Target {
  return { settings: { ...settings, database }, embedded: undefined };
}

/** Runs `work` on a new connection and closes it afterwards. */
export async function withClient<T>(target: Target, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect(target);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Runs `work` with a new pool of one connection and destroys it afterwards. */
export async function withKnex<T>(target: Target, work: (knex: Knex) => Promise<T>): Promise<T> {
  const connection = clientConfig(target) as Knex.PgConnectionConfig;
  const knex = createKnex({ client: 'pg', connection, pool: { min: 0, max: 1 } });
  try {
    return await work(knex);
  } finally {
    await knex.destroy();
  }
}

/**
 * Creates a database with the encoding and the locale of another one.
 *
 * @param elsewhere how the user can avoid it, for the error
 * @throws UndropError `insufficient-privilege`, `name-taken`
 */
export async function createDatabase(
  client: Client,
  name: string,
  like: Manifest['database'],
  elsewhere = '',
): Promise<void> {
  const { encoding, collate, ctype, provider, locale } = like;
  const text = (value: string) => client.escapeLiteral(value);
  const locales = [
    `encoding ${text(encoding)} lc_collate ${text(collate)} lc_ctype ${text(ctype)}`,
    provider === 'i' && locale !== null ? `locale_provider icu icu_locale ${text(locale)}` : '',
    provider === 'b' && locale !== null ? `locale_provider builtin builtin_locale ${text(locale)}` : '',
  ];
  try {
    await client.query(`create database ${quoteName(name)} template template0 ${locales.join(' ')}`);
  } catch (error) {
    throw sqlState(error) === '42501'
      ? await mayNotCreate(client, name, error, elsewhere)
      : taken(error, name);
  }
}

export async function dropDatabase(client: Client, name: string): Promise<void> {
  await client.query(`drop database if exists ${quoteName(name)} with (force)`);
}

async function mayNotCreate(
  client: Client,
  name: string,
  cause: unknown,
  elsewhere: string,
): Promise<UndropError> {
  const [found] = await readRows<{ role: string }>(
    client,
    'select pg_catalog.quote_ident(current_user) as role',
  );
  return new UndropError('insufficient-privilege', {
    subject: name,
    message: `The role ${found?.role} may not create the database ${name}, which the restore needs.`,
    reason: (cause as Error).message,
    next: `Run as an administrator: alter role ${found?.role} createdb.${elsewhere}`,
    cause,
  });
}

function taken(error: unknown, name: string): unknown {
  if (sqlState(error) !== '42P04') return error;
  return new UndropError('name-taken', {
    subject: name,
    message: `The database ${name} already exists.`,
    reason: 'A backup is restored only into a new database.',
    next: 'Choose another name with --into.',
    cause: error,
  });
}
