import type pg from 'pg';
import { type Runner, runner } from './migrate.ts';
import { type TestDatabase, type TestServer, testServer } from './server.ts';

/** Starts the server before the tests of this suite, which may then use the result. */
export function useServer(): TestServer {
  let server: TestServer | undefined;
  before('start the test server', async () => {
    server = await testServer();
  });
  return standIn(() => server);
}

/** What `useDatabase` makes. */
interface Used {
  readonly database: TestDatabase;
  readonly run: Runner;
  /** Runs statements in a new connection as superuser. Returns the rows of the last one. */
  sql<Row = Record<string, unknown>>(text: string): Promise<Row[]>;
  /** Returns the client of a new connection as superuser, after these statements. It is ended after the test. */
  another(text?: string): Promise<pg.Client>;
  /** Ends the sessions of `run`, whose next ones are of another role or database. Default: of the same. */
  reopen(url?: string): Promise<void>;
}

/**
 * Creates a database with this schema before each test of this suite, and a Knex for it; drops it after the test.
 *
 * @param shared the database is the same for all tests, which leave it as it is
 */
export function useDatabase(server: TestServer, schema = '', { shared = false } = {}): Used {
  let made: { database: TestDatabase; run: Runner } | undefined;
  const clients: pg.Client[] = [];
  const [begin, end] = shared ? [before, after] : [beforeEach, afterEach];
  begin('create a database', async () => {
    made = await freshDatabase(server, schema);
  });
  afterEach('end the clients', async () => {
    for (const client of clients.splice(0)) await client.end();
  });
  end('drop the database', async () => {
    const last = made;
    made = undefined;
    await last?.run.end();
    if (last !== undefined) await server.dropDatabase(last.database.name);
  });
  const database = standIn(() => made?.database);
  return {
    database,
    run: standIn(() => made?.run),
    sql: (text) => server.sql(database.name, text),
    another: async (text = '') => {
      const client = await server.client(database.name);
      clients.push(client);
      if (text !== '') await client.query(text);
      return client;
    },
    reopen: async (url = database.url) => {
      if (made === undefined) return;
      await made.run.end();
      made.run = runner(url);
    },
  };
}

/** Creates a database with this schema, and a Knex for it. */
export async function freshDatabase(
  server: TestServer,
  schema: string,
): Promise<{ database: TestDatabase; run: Runner }> {
  const database = await server.createDatabase();
  const run = runner(database.url);
  if (schema !== '') await run.knex.raw(schema);
  return { database, run };
}

/** An object in place of the one that a hook makes later, so that suites can pass it on while mocha reads them. */
function standIn<T extends object>(current: () => T | undefined): T {
  return new Proxy({} as T, {
    get: (_, name) => {
      const made = current();
      if (made === undefined) throw new Error(`${String(name)} is read outside of a test.`);
      return Reflect.get(made, name);
    },
  });
}
