import type { Knex } from 'knex';
import type { Client } from 'pg';
import type { Ledger } from './migrations-table.ts';
import type { Target } from './target.ts';

export interface Preparation {
  /** Checks the server, prepares the migrations table, and reads it: for the migration source. */
  completed(): Promise<ReadonlyMap<string, string>>;
  /** Does the work on a connection outside of the pool, which is closed afterwards. */
  visit<T>(work: (client: Client) => Promise<T>): Promise<T>;
  /** The server process IDs of the connections in the pool. */
  pids(): number[];
  /** Connection settings for the pool. Resolves after the server was checked. */
  connection(): Promise<Knex.PgConnectionConfig>;
  pool: Knex.PoolConfig;
}

/**
 * Knex calls the migration source and opens its own connection at the same time. The source therefore uses a separate
 * client. The pool waits until that client is connected, and returns no connection before the migrations table is
 * prepared. Where the source is not called, as for seeds, the server is checked, and no migrations table is created.
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
    // The embedded server accepts one client at a time.
    if (embedded) for (const client of pooled) await client.end();
    reaching = findTarget().then(async (target) => (await import('./connection.ts')).connect(target));
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
    const prepare = async (client: Client) => (await import('./ledger.ts')).prepareLedger(client, place);
    preparing ??= visit(prepare).finally(() => {
      preparing = undefined;
    });
    return preparing;
  };

  const connection = async (): Promise<Knex.PgConnectionConfig> => {
    const mine = preparing;
    if (mine) await (embedded ? mine : reaching);
    else if (!checked) await visit(async () => undefined);
    const { clientConfig } = await import('./connection.ts');
    const config = clientConfig(await findTarget()) as Knex.PgConnectionConfig;
    // While a later preparation runs, pooled connections count as expired, so that they do not read the migrations
    // table.
    config.expirationChecker = () => preparing !== undefined && preparing !== mine;
    return config;
  };

  const afterCreate = (client: Client, done: (error?: Error) => void): void => {
    pooled.add(client);
    client.once('end', () => pooled.delete(client));
    const ready = async () => {
      await preparing;
      if (migrates) await (await import('./ledger-lock.ts')).holdLedger(client, ledger());
    };
    ready().then(
      () => done(),
      // Knex does not close the client after an error.
      (error) => client.end(() => done(error)),
    );
  };
  // processID is missing in the types of pg.
  const pids = () => [...pooled].map((client) => (client as unknown as { processID: number }).processID);

  return {
    completed,
    visit,
    pids,
    connection,
    pool: { ...(embedded ? { min: 0, max: 1 } : {}), afterCreate },
  };
}
