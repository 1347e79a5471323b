import pg from 'pg';
import { testNative } from './binaries.ts';
import { type Cluster, type StopMode, startCluster } from './cluster.ts';
import { startEmbeddedDatabases } from './embedded-databases.ts';
import { embeddedLimit } from './embedded-limits.ts';
import { skip } from './skip.ts';

export interface TestServer {
  /** As the server reports it, for example `15.20 (Debian 15.20-0+deb12u1)`. */
  version: string;
  major: number;
  /** False if UNDROP_TEST_URL names the server: its pg_hba.conf has no `pw_user` line. */
  own: boolean;
  /** Whether it is PGlite: each database is a separate server, for one client at a time. */
  embedded: boolean;
  /** The folder of a server that was started here; it contains `log`. */
  folder: string | undefined;
  /** Creates a database, with a unique name by default. Default owner: the superuser. */
  createDatabase(name?: string, options?: { template?: string; owner?: string }): Promise<TestDatabase>;
  /** Ends its connections and drops it, if it exists. */
  dropDatabase(name: string): Promise<void>;
  /**
   * Returns a connection URL. `pg` does not accept `?` or `#` in the database name of a URL: use `config` for those.
   */
  url(database: string, user?: string, password?: string): string;
  config(database: string, user?: string, password?: string): ConnectionConfig;
  /**
   * Returns a connected client. It is closed with the server at the latest; a connection ended by the server is not an
   * error.
   */
  client(database: string, user?: string, password?: string): Promise<pg.Client>;
  /** Runs statements in a new connection as superuser. Returns the rows of the last one. */
  sql<Row = Record<string, unknown>>(database: string, text: string): Promise<Row[]>;
  /** Restarts a server that was started here, with `native` using other binaries of the same major. */
  restart(mode?: StopMode, native?: string): void;
  stop(): Promise<void>;
}

export interface TestDatabase {
  name: string;
  url: string;
}

export interface ConnectionConfig {
  host: string;
  port: number;
  user: string;
  password?: string;
  database: string;
}

/** Whether UNDROP_TEST_SERVER selects PGlite. */
export const onEmbedded = process.env.UNDROP_TEST_SERVER === 'embedded';

let shared: Promise<TestServer> | undefined;

/** Returns the server of this process, which is started by the first call and stopped after the last test. */
export function testServer(): Promise<TestServer> {
  shared ??= startServer();
  return shared;
}

if (typeof globalThis.after === 'function') {
  // A worker of `mocha --parallel` runs several files, one of Stryker runs them once for each change. Their server stops
  // with them.
  if (process.env.MOCHA_WORKER_ID === undefined && process.env.STRYKER_MUTATOR_WORKER === undefined)
    globalThis.after('end the test server', async () => (await shared)?.stop());
  globalThis.beforeEach(function () {
    const limit = onEmbedded ? embeddedLimit(this.currentTest?.fullTitle() ?? '') : undefined;
    if (limit !== undefined) skip(this, limit);
  });
}

/**
 * Starts a server: the one that npm installed; or the one that UNDROP_TEST_SERVER names: a major of an npm package,
 * `system` for the newest among the packages of the system, or `embedded`; or other binaries (`native`: their folder).
 * With UNDROP_TEST_URL (a superuser's URL) and no `native`, that server is used and none is started.
 */
export async function startServer({
  native,
  settings = {},
}: {
  native?: string;
  settings?: Readonly<Record<string, string>>;
} = {}): Promise<TestServer> {
  const { UNDROP_TEST_URL: given } = process.env;
  if (native === undefined && given) return describeServer(new URL(given), undefined);
  if (native === undefined && onEmbedded) return describeEmbedded();
  const cluster = await startCluster(native ?? testNative(), settings);
  try {
    return await serverOf(cluster);
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** Each database has its own port; all are named `postgres`, whatever the requested name. */
async function describeEmbedded(): Promise<TestServer> {
  const databases = await startEmbeddedDatabases();
  const servers = new Map<string, { port: number; server: TestServer }>();
  const of = (name: string): TestServer => {
    const found = servers.get(name);
    if (found === undefined) throw new Error(`The embedded server has no database ${name}.`);
    return found.server;
  };
  const create = async (name: string): Promise<TestServer> => {
    const port = await databases.create();
    const server = await describeServer(new URL(`postgres://postgres@127.0.0.1:${port}/postgres`), undefined);
    servers.set(name, { port, server });
    return server;
  };
  const { version, major } = await create('postgres');
  let count = 0;
  return {
    version,
    major,
    own: true,
    embedded: true,
    folder: undefined,
    createDatabase: async (name = `undrop_test_${++count}`, options) => {
      if (options !== undefined) throw new Error('An embedded database has neither template nor owner.');
      return { name, url: (await create(name)).url('postgres') };
    },
    dropDatabase: async (name) => {
      const { port } = servers.get(name) ?? {};
      servers.delete(name);
      if (port !== undefined) await databases.drop(port);
    },
    url: (database, ...who) => of(database).url('postgres', ...who),
    config: (database, ...who) => of(database).config('postgres', ...who),
    client: (database, ...who) => of(database).client('postgres', ...who),
    sql: (database, text) => of(database).sql('postgres', text),
    restart: () => {
      throw new Error('The embedded server cannot be restarted.');
    },
    stop: databases.stop,
  };
}

/** The server of a cluster that is running. */
export function serverOf(cluster: Cluster): Promise<TestServer> {
  return describeServer(new URL(`postgres://postgres@127.0.0.1:${cluster.port}/postgres`), cluster);
}

async function describeServer(base: URL, cluster: Cluster | undefined): Promise<TestServer> {
  const superuser = decodeURIComponent(base.username) || 'postgres';
  const maintenance = decodeURIComponent(base.pathname.slice(1)) || 'postgres';
  const created = new Set<string>();
  let count = 0;

  const config: TestServer['config'] = (database, user = superuser, password) => {
    const own = user === superuser ? decodeURIComponent(base.password) : '';
    const secret = password ?? own;
    const where = { host: base.hostname, port: Number(base.port || 5432), user, database };
    return secret === '' ? where : { ...where, password: secret };
  };

  const url: TestServer['url'] = (database, user, password) => {
    const { host, port, ...who } = config(database, user, password);
    const secret = who.password === undefined ? '' : `:${encodeURIComponent(who.password)}`;
    // pg reads the path with decodeURI, which leaves an escaped `=` or `&` escaped.
    return `postgres://${encodeURIComponent(who.user)}${secret}@${host}:${port}/${encodeURI(database)}`;
  };

  const client: TestServer['client'] = async (...who) => {
    const one = new pg.Client(config(...who));
    // A test that kills connections would otherwise end the process.
    one.on('error', () => {});
    await one.connect();
    return one;
  };

  const sql: TestServer['sql'] = async (database, text) => {
    const one = await client(database);
    try {
      const result = await one.query(text);
      const last = Array.isArray(result) ? result.at(-1) : result;
      return last.rows;
    } finally {
      await one.end();
    }
  };

  // One connection creates and drops all databases: connecting takes as long as copying one.
  let admin: Promise<pg.Client> | undefined;
  const administer = async (text: string): Promise<void> => {
    admin ??= client(maintenance).then((one) => one.once('end', () => (admin = undefined)));
    // A server that was in recovery may accept the next one.
    const connected = await admin.catch((error) => {
      admin = undefined;
      throw error;
    });
    await connected.query(text);
  };

  const quote = pg.escapeIdentifier;

  const createDatabase: TestServer['createDatabase'] = async (name, { template, owner } = {}) => {
    const database = name ?? `undrop_test_${process.pid}_${++count}`;
    const from = template === undefined ? '' : ` template ${quote(template)}`;
    const of = owner === undefined ? '' : ` owner ${quote(owner)}`;
    await administer(`create database ${quote(database)}${from}${of}${strategy}`);
    created.add(database);
    return { name: database, url: url(database) };
  };

  const dropDatabase: TestServer['dropDatabase'] = async (name) => {
    await administer(`drop database if exists ${quote(name)} with (force)`);
    created.delete(name);
  };

  const stop = async (): Promise<void> => {
    if (!cluster) for (const name of created) await dropDatabase(name);
    await (await admin)?.end();
    await cluster?.stop();
  };

  const [row] = await sql<{ server_version: string }>(maintenance, 'show server_version');
  const version = row?.server_version ?? '';
  const facts = {
    version,
    major: Number.parseInt(version, 10),
    own: cluster !== undefined,
    embedded: false,
    folder: cluster?.folder,
  };
  // Copying the files is faster than logging each page, because nothing is synced.
  const strategy = cluster !== undefined && facts.major >= 15 ? ' strategy file_copy' : '';
  // The first connection creates files that later ones need, so that all copies contain them.
  if (cluster !== undefined) await sql('template1', 'select');
  const restart: TestServer['restart'] = (...how) => cluster?.restart(...how);
  return { ...facts, createDatabase, dropDatabase, url, config, client, sql, restart, stop };
}
