import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { PGlite } from '@electric-sql/pglite';
import { pgDump as dump } from '@electric-sql/pglite-tools/pg_dump';
import { findPgDump, type PgDump } from '../../src/backup/find-pg-dump.ts';
import { keepCompiled } from './compiled.ts';
import { embeddedAt } from './embedded-databases.ts';

// A dump takes 0.2 s with it, and 1 s without.
await keepCompiled('@electric-sql/pglite-tools/pg_dump', 'pg_dump.wasm');

/**
 * The outside judge: pg_dump 18, compiled to WASM, over the real server (14 to 18) that the URL names. Rows come
 * as INSERTs, and the `\restrict` lines, which differ each time, do not come.
 *
 * The server must trust the URL's user. Throws with pg_dump's own words.
 */
export async function pgDump(url: string, args: string[] = []): Promise<string> {
  const { hostname, port, username, pathname } = new URL(url);
  const embedded = embeddedAt(Number(port));
  // It has this pg_dump itself, and takes one client at a time.
  if (embedded !== undefined) return embedded.dump(args);
  const server = {
    host: hostname,
    port: Number(port || 5432),
    user: decodeURIComponent(username) || 'postgres',
    database: decodeURIComponent(pathname.slice(1)),
  };
  for (let tries = 1; ; tries++) {
    const bridge = openBridge(server);
    try {
      const file = await dump({ pg: bridge.pg, args });
      return await file.text();
    } catch (error) {
      const { message } = error as Error;
      // Once in a thousand dumps it sees an end where there is none. It then has no result, so that none is hidden.
      const isWhim = bridge.lost() === '' && message.includes('server closed the connection unexpectedly');
      if (!isWhim || tries === 3) throw new Error(`${message} ${bridge.lost()}`.trim(), { cause: error });
    } finally {
      await bridge.close();
    }
  }
}

/** `pg_dump --schema-only`, without the schemas in `exclude` (plain names). */
export function schemaText(url: string, options: { exclude?: string[] } = {}): Promise<string> {
  return pgDump(url, ['--schema-only', ...without(options.exclude)]);
}

/** `pg_dump --data-only`: one INSERT a row, in the order of the pages, and the values of sequences. */
export function dataText(url: string, options: { exclude?: string[] } = {}): Promise<string> {
  return pgDump(url, ['--data-only', ...without(options.exclude)]);
}

/** A native pg_dump of this major or later, if this machine has one. */
export async function systemPgDump(atLeast = 0): Promise<PgDump | undefined> {
  const found = await findPgDump(process.env, atLeast).catch(() => undefined);
  return found && found.major >= atLeast ? found : undefined;
}

function without(schemas: string[] = []): string[] {
  return schemas.map((name) => `--exclude-schema="${name.replaceAll('"', '""')}"`);
}

const patience = 120_000;

interface Server {
  host: string;
  port: number;
  user: string;
  database: string;
}

/**
 * What stands in for PGlite. pg_dump's reads cannot wait for a promise, so this thread sleeps while another one
 * talks to the server.
 */
function openBridge(server: Server): { pg: PGlite; lost(): string; close(): Promise<unknown> } {
  let lost = '';
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const { port1: here, port2: there } = new MessageChannel();
  const worker = new Worker(new URL('./pg-dump-worker.mjs', import.meta.url), {
    workerData: { server, flag, port: there },
    transferList: [there],
    execArgv: [],
  });
  const pg: Pick<PGlite, 'execProtocolRawStream'> & Record<'query' | 'exec', () => Promise<unknown>> = {
    execProtocolRawStream: async (message, { onRawData }) => {
      Atomics.store(flag, 0, 0);
      here.postMessage(message.slice());
      if (Atomics.wait(flag, 0, 0, patience) === 'timed-out') {
        // pg_dump itself says no more than that the connection is gone.
        lost ||= `There was no answer within ${patience / 1000} s.`;
        throw new Error(lost);
      }
      const answer = receiveMessageOnPort(here)?.message as { bytes: Uint8Array; failure?: string };
      lost ||= answer.failure ?? '';
      onRawData?.(answer.bytes);
    },
    // Only for putting back a search path, which nobody uses afterwards.
    query: async () => ({ rows: [{ search_path: '' }] }),
    exec: async () => [],
  };
  const close = (): Promise<unknown> => {
    here.close();
    return worker.terminate();
  };
  return { pg: pg as unknown as PGlite, lost: () => lost, close };
}
