import { relative } from 'node:path';
import pg from 'pg';
import { UndropError } from '../errors.ts';
import { readRows } from '../session/read-rows.ts';
import { describeServer, readBanner } from '../session/server.ts';
import { printable } from '../text/printable.ts';
import type { Target } from './target.ts';
import { tlsOptions } from './tls.ts';
import { address, occupied, unreachable } from './unreachable.ts';

/** One line without a password: `turing at db.example:5432 as owner`. */
export function describeTarget({ settings, embedded }: Target): string {
  if (embedded) {
    const path = relative(process.cwd(), embedded.folder);
    return printable(`embedded PostgreSQL in ${path.startsWith('..') ? embedded.folder : path}`);
  }
  return printable(`${settings.database} at ${address(settings)} as ${settings.user}`);
}

/** The settings for `pg`, hence for the pool of Knex too. The password is there, but not printed. */
export function clientConfig({ settings }: Target): pg.ClientConfig {
  const { ssl, password, ...rest } = settings;
  const config: pg.ClientConfig = {
    ...rest,
    ssl: tlsOptions(ssl),
    application_name: 'knex-undrop',
    connectionTimeoutMillis: 10_000,
  };
  return Object.defineProperty(config, 'password', { value: password, enumerable: false });
}

/**
 * A connected client of a server that we can work with. The caller ends it.
 *
 * @throws UndropError `no-connection`, `in-use`, `unsupported-server`
 */
export async function connect(target: Target): Promise<pg.Client> {
  const config = clientConfig(target);
  let client: pg.Client;
  try {
    client = new pg.Client(config);
    // A connection that breaks while idle would end the process; the next query reports it instead.
    client.on('error', () => undefined);
    await client.connect();
  } catch (error) {
    throw target.embedded ? occupied(target.embedded.folder, error) : unreachable(error, target.settings);
  }
  try {
    const { pid } = await checkServer(client);
    if (!target.embedded) {
      refusePooler(client, pid);
      // In the schemas of others, a function or operator could pass for a built-in one.
      await client.query('set search_path = pg_catalog, pg_temp');
    }
    return client;
  } catch (error) {
    await client.end();
    throw error;
  }
}

async function checkServer(client: pg.Client): Promise<{ pid: number }> {
  await readBanner(client);
  const [found] = await readRows<{ version: string; number: number; pid: number }>(
    client,
    /* sql */ `
    select pg_catalog.current_setting('server_version') as version,
      pg_catalog.current_setting('server_version_num')::int as number,
      pg_catalog.pg_backend_pid() as pid`,
  );
  const { version = '', number = 0, pid = 0 } = found ?? {};
  describeServer(version, number);
  return { pid };
}

function refusePooler(client: pg.Client, pid: number): void {
  // A pooler invents the number that cancels queries; the types leave it out.
  const { processID } = client as unknown as { processID: number | null };
  if (processID === null || processID === pid) return;
  throw new UndropError('unsupported-server', {
    subject: `${client.host}:${client.port}`,
    message: `${client.host}:${client.port} is a connection pooler, not the server itself.`,
    reason: 'Behind it, locks and settings may belong to a session that others share.',
    next: "Connect directly: set DATABASE_URL, or PGHOST and PGPORT, to the server's own address.",
  });
}
