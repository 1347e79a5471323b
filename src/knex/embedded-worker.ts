import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { PGlite } from '@electric-sql/pglite';
import { isMissing } from './missing-package.ts';
import { openTurnstile } from './turnstile.ts';

/** A request of `embedded.ts` to this thread. */
export type Request = { id: number; dump: string[] } | { id: number; stop: true };
/** The answer to a request. Number 0 reports the start, with the address in `text`. */
export type Answer = { id: number; text: string } | { id: number; failure: string; missing?: boolean };

type Protocol = PGlite['execProtocolRawStream'];
type ProtocolOptions = Parameters<Protocol>[1];

// pg_dump begins its messages with this name.
process.argv[1] = 'pg_dump';

// Not a top-level await, because CommonJS has none.
serve(workerData).catch((error: unknown) => {
  answer({ id: 0, failure: String(error), missing: isMissing(error) });
});

async function serve(folder: string): Promise<void> {
  const { PGLiteSocketServer } = await import('@electric-sql/pglite-socket');
  const db = await open(folder);
  const server = new PGLiteSocketServer({
    db: cleanForEachClient(db),
    host: '127.0.0.1',
    port: 0,
    maxConnections: 2,
  });
  await server.start();
  const turnstile = await openTurnstile(Number(server.getServerConn().split(':')[1]));
  parentPort?.on('message', async (request: Request) => {
    const { id } = request;
    try {
      if ('dump' in request) return answer({ id, text: await dump(db, request.dump) });
      // The socket server may still look for an open transaction of a client that has left, and finds the database closed.
      process.on('unhandledRejection', () => undefined);
      await turnstile.close();
      await server.stop();
      await db.close();
      answer({ id, text: '' });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      answer({ id, failure: text.match(/pg_dump: error: .*/s)?.[0] ?? text });
    }
  });
  answer({ id: 0, text: turnstile.address });
}

function answer(message: Answer): void {
  parentPort?.postMessage(message);
}

async function open(folder: string): Promise<PGlite> {
  const { PGlite } = await import('@electric-sql/pglite');
  const { dataDir: prepopulated } = await import('@electric-sql/pglite-prepopulatedfs');
  const dataDir = join(folder, 'pgdata');
  // A first start that was killed leaves an incomplete folder, without any data of the user.
  const unfinished = join(folder, 'unfinished');
  if (existsSync(unfinished)) rmSync(dataDir, { recursive: true, force: true });
  const isNew = !existsSync(join(dataDir, 'PG_VERSION'));
  if (isNew) writeFileSync(unfinished, '');
  const db = await PGlite.create({
    dataDir,
    ...(isNew ? { loadDataDir: await prepopulated() } : {}),
    // The default parameters include -O, which allows changes to the system catalogs.
    startParams: PGlite.defaultStartParams.filter((parameter) => parameter !== '-O'),
  });
  rmSync(unfinished, { force: true });
  return db;
}

/**
 * PGlite uses one session for all clients, one after the other. Resets the session, advisory locks included, before the
 * start-up packet of each client, which has 0 as its first byte.
 */
function cleanForEachClient(db: PGlite): PGlite {
  const resets = ['rollback', 'set session authorization postgres', 'discard all'].map(simpleQuery);
  const cleaning: Protocol = async (message, options) => {
    if (message[0] === 0) {
      for (const reset of resets) await db.execProtocolRawStream(reset, { onRawData: () => {} });
    }
    await db.execProtocolRawStream(message, isExtended(message) ? withoutReady(options) : options);
  };
  return new Proxy(db, {
    get(target, key) {
      if (key === 'execProtocolRawStream') return cleaning;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/**
 * Whether the message is Parse, Bind, Describe, Execute, Close or Flush, to which the server sends no ReadyForQuery.
 */
function isExtended([type = 0]: Uint8Array): boolean {
  return 'PBDECH'.includes(String.fromCharCode(type));
}

/**
 * Removes the ReadyForQuery that PGlite sends after an error in such a message. It sends another one at the Sync, which
 * the driver would take for the answer to its next query. It arrives in a chunk of its own, since errors are flushed.
 * https://github.com/electric-sql/pglite/issues/958
 */
function withoutReady(options: ProtocolOptions): ProtocolOptions {
  const { onRawData } = options;
  if (onRawData === undefined) return options;
  return {
    ...options,
    onRawData: (data) => {
      const isReady = data.length === 6 && String.fromCharCode(...data.subarray(0, 5)) === 'Z\0\0\0\x05';
      if (!isReady) onRawData(data);
    },
  };
}

function simpleQuery(text: string): Uint8Array {
  const query = Buffer.from(`Q....${text}\0`);
  query.writeInt32BE(query.length - 1, 1);
  return query;
}

/** Runs pg_dump in the session of the connected client, and restores the state of the session afterwards. */
async function dump(db: PGlite, args: string[]): Promise<string> {
  const { pgDump } = await import('@electric-sql/pglite-tools/pg_dump');
  if (db.isInTransaction()) throw new Error('A client is in a transaction.');
  const { rows: settings } = await db.query<{ name: string; setting: string }>(
    `select name, setting from pg_catalog.pg_settings where source = 'session'`,
  );
  try {
    const file = await db.runExclusive(() => pgDump({ pg: protocolOnly(db), args }));
    return await file.text();
  } finally {
    await db.exec('rollback');
    const { rows: prepared } = await db.query<{ statement: string }>(
      `select pg_catalog.quote_ident(name) as statement from pg_catalog.pg_prepared_statements where from_sql`,
    );
    for (const { statement } of prepared) await db.exec(`deallocate ${statement}`);
    await db.exec('reset all');
    for (const { name, setting } of settings) {
      await db.query('select pg_catalog.set_config($1, $2, false)', [name, setting]);
    }
  }
}

/**
 * What pgDump needs of PGlite. `query` and `exec` are stubs: they would wait for the exclusive lock that pgDump runs
 * under.
 */
function protocolOnly(db: PGlite): PGlite {
  let sent = Buffer.alloc(0);
  const pg: Pick<PGlite, 'execProtocolRawStream'> & Record<'query' | 'exec', () => Promise<unknown>> = {
    execProtocolRawStream: async (bytes, options) => {
      sent = Buffer.concat([sent, bytes]);
      // pg_dump sends long messages in parts. PGlite takes whole messages only.
      if (!isWhole(sent)) return;
      const message = sent;
      sent = Buffer.alloc(0);
      await db.execProtocolRawStream(message, options);
    },
    query: async () => ({ rows: [{ search_path: 'public' }] }),
    exec: async () => [],
  };
  return pg as unknown as PGlite;
}

/** Whether the bytes end with a whole message. A start-up packet, which has 0 as its first byte, has no type byte. */
function isWhole(bytes: Buffer): boolean {
  let at = 0;
  while (at < bytes.length) {
    const head = bytes[at] === 0 ? 0 : 1;
    if (at + head + 4 > bytes.length) return false;
    at += head + bytes.readInt32BE(at + head);
  }
  return at === bytes.length;
}
