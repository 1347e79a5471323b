import type { Knex } from 'knex';
import type { Client } from 'pg';
import { clientConfig, connect } from './connection.ts';
import { prepareLedger } from './ledger.ts';
import { holdLedger } from './ledger-lock.ts';
import type { Ledger } from './migrations-table.ts';
import type { Target } from './target.ts';

export interface Preparation {
  /** Checks the server, prepares the ledger, and reads it: for the migration source. */
  completed(): Promise<ReadonlyMap<string, string>>;
  /** Does the work on a connection that the pool knows nothing of, and that is closed again. */
  visit<T>(work: (client: Client) => Promise<T>): Promise<T>;
  /** Process IDs of the connections that the pool has. */
  pids(): number[];
  /** Settings for the pool, once the server has been checked. */
  connection(): Promise<Knex.PgConnectionConfig>;
  pool: Knex.PoolConfig;
}

/**
 * Knex asks the source before it has a connection, and asks for its own at the same time. So the source has a
 * client of its own. The pool waits until that one is connected, and hands out none of its own before the ledger is
 * prepared. Where the source is not asked, as for seeds, the server is checked, and no ledger made.
 */
export function preparation(
  findTarget: () => Promise<Target>,
  ledger: () => Ledger,
  embedded: boolean,
): Preparation {
  let preparing: Promise<ReadonlyMap<string, string>> | undefined;
  let reaching: Promise<Client> | undefined;
  let checked = false;
  let migrates = false;
  const pooled = new Set<Client>();

  const visit = async <T>(work: (client: Client) => Promise<T>): Promise<T> => {
    // The embedded server takes one client at a time.
    if (embedded) for (const client of pooled) await client.end();
    reaching = findTarget().then(connect);
    const client = await reaching;
    checked = true;
    try {
      return await work(client);
    } finally {
      const ended = client.end();
      if (embedded) await ended;
    }
  };

  const completed = (): Promise<ReadonlyMap<string, string>> => {
    const place = ledger();
    migrates = true;
    preparing ??= visit((client) => prepareLedger(client, place)).finally(() => {
      preparing = undefined;
    });
    return preparing;
  };

  const connection = async (): Promise<Knex.PgConnectionConfig> => {
    const mine = preparing;
    if (mine) await (embedded ? mine : reaching);
    else if (!checked) await visit(async () => undefined);
    const config = clientConfig(await findTarget()) as Knex.PgConnectionConfig;
    // A connection from before must not read the ledger meanwhile: Knex asks here again.
    config.expirationChecker = () => preparing !== undefined && preparing !== mine;
    return config;
  };

  const afterCreate = (client: Client, done: (error?: Error) => void): void => {
    pooled.add(client);
    client.once('end', () => pooled.delete(client));
    const ready = async () => {
      await preparing;
      if (migrates) await holdLedger(client, ledger());
    };
    ready().then(
      () => done(),
      // Knex forgets it.
      (error) => client.end(() => done(error)),
    );
  };
  // The types leave it out.
  const pids = () => [...pooled].map((client) => (client as unknown as { processID: number }).processID);

  return {
    completed,
    visit,
    pids,
    connection,
    pool: { ...(embedded ? { min: 0, max: 1 } : {}), afterCreate },
  };
}
