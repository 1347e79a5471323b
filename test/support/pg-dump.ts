import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { PGlite } from '@electric-sql/pglite';
import { pgDump as dump } from '@electric-sql/pglite-tools/pg_dump';
import pg from 'pg';
import { findPgDump, type PgDump } from '../../src/backup/programs/find-pg-dump.ts';
import { keepCompiled } from './compiled.ts';
import { embeddedAt } from './embedded-databases.ts';
import { skip } from './skip.ts';

let compiled: Promise<void> | undefined;

/**
 * The independent judge: a native pg_dump if the machine has one that can read the server, otherwise that of
 * `wasmPgDump`, which takes five times as long. Rows are printed as INSERTs. The `\restrict` lines, which differ each
 * time, are removed.
 *
 * The server must trust the URL's user. Throws with the message of pg_dump.
 */
export async function pgDump(url: string, args: string[] = []): Promise<string> {
  return (await nativePgDump(url, args)) ?? wasmPgDump(url, args);
}

/** Dumps with a native pg_dump. Returns undefined if the machine has none that can read the server. */
export async function nativePgDump(url: string, args: string[] = []): Promise<string | undefined> {
  const program = await nativeFor(url);
  if (program === undefined) return undefined;
  const { host, port, user, password, database } = serverOf(url);
  const { stdout } = await promisify(execFile)(program.path, ['--no-password', '--inserts', ...args], {
    // pg_dump could read an argument as a connection string.
    env: {
      ...process.env,
      ...{ PGHOST: host, PGPORT: String(port), PGUSER: user, PGPASSWORD: password, PGDATABASE: database },
    },
    maxBuffer: 1 << 28,
  });
  return stdout.replace(/^\\(un)?restrict .*$/gm, '');
}

/** Dumps the real server (14 to 18) that the URL names with pg_dump 18, compiled to WASM. */
export async function wasmPgDump(url: string, args: string[] = []): Promise<string> {
  const embedded = embeddedAt(serverOf(url).port);
  // The embedded server contains this pg_dump, and accepts one client at a time.
  if (embedded !== undefined) return embedded.dump(args);
  const server = serverOf(url);
  // A dump takes 0.2 s with the compiled module, and 1 s without.
  compiled ??= keepCompiled('@electric-sql/pglite-tools/pg_dump', 'pg_dump.wasm');
  await compiled;
  for (let tries = 1; ; tries++) {
    const bridge = openBridge(server);
    try {
      const file = await dump({ pg: bridge.pg, args });
      return withoutInternalOptions(await file.text());
    } catch (error) {
      const { message } = error as Error;
      // About once in a thousand dumps it reports a lost connection that was not lost. There is no output that could be
      // wrong.
      const isSpurious =
        bridge.lost() === '' && message.includes('server closed the connection unexpectedly');
      if (!isSpurious || tries === 3) throw new Error(`${message} ${bridge.lost()}`.trim(), { cause: error });
    } finally {
      bridge.close();
    }
  }
}

/**
 * Servers from November 2026 on have internal options of columns, new ones for each new column, and this pg_dump is
 * older. https://www.postgresql.org/docs/current/catalog-pg-attribute.html
 */
function withoutInternalOptions(dump: string): string {
  return dump.replace(setsOptions, (_, alter: string, options: string) => {
    const others = options.split(', ').filter((option) => !option.startsWith('pg_'));
    return others.length === 0 ? '\n' : `${alter}(${others.join(', ')});\n`;
  });
}

// Names may contain line breaks, and pg_dump prints no line break after DEPENDS ON EXTENSION.
const name = String.raw`(?:"(?:[^"]|"")*"|[\w$]+)`;
const setsOptions = new RegExp(
  String.raw`(ALTER (?:FOREIGN )?TABLE ONLY ${name}\.${name} ALTER COLUMN ${name} SET )\((.*)\);\n`,
  'g',
);

/** Dumps schema and rows without the schema undrop. */
export function wholeText(url: string): Promise<string> {
  return pgDump(url, ['--exclude-schema=undrop*']);
}

/** Returns a native pg_dump of this major or later, if the machine has one. */
export async function systemPgDump(atLeast = 0): Promise<PgDump | undefined> {
  // The one in PATH may be a script that takes longer to find pg_dump than pg_dump takes to start.
  for (const env of [{ ...process.env, PATH: '' }, process.env]) {
    const found = await findPgDump(env, atLeast).catch(() => undefined);
    if (found && found.major >= atLeast) return found;
  }
  return undefined;
}

/** Returns the same, or skips the test. */
export async function nativeOrSkip(context: Mocha.Context, atLeast: number): Promise<PgDump> {
  const native = await systemPgDump(atLeast);
  return native ?? skip(context, `no pg_dump of ${atLeast} or later is installed`);
}

const natives = new Map<string, PgDump | undefined>();

/** Searched once for each server. */
async function nativeFor(url: string): Promise<PgDump | undefined> {
  const server = serverOf(url);
  if (embeddedAt(server.port) !== undefined) return undefined;
  const where = `${server.host}:${server.port}`;
  if (!natives.has(where)) natives.set(where, await systemPgDump(await majorOf(server)));
  return natives.get(where);
}

async function majorOf(server: Server): Promise<number> {
  const client = new pg.Client(server);
  try {
    await client.connect();
    const { rows } = await client.query(`select current_setting('server_version_num')::int / 10000 as major`);
    return rows[0].major;
  } finally {
    await client.end();
  }
}

function serverOf(url: string): Server {
  const { hostname, port, username, password, pathname } = new URL(url);
  return {
    host: hostname,
    port: Number(port || 5432),
    user: decodeURIComponent(username) || 'postgres',
    password: decodeURIComponent(password),
    database: decodeURIComponent(pathname.slice(1)),
  };
}

const patience = 600_000;

interface Server {
  host: string;
  port: number;
  user: string;
  password: string;
  database: string;
}

/**
 * Returns an object in place of PGlite. The reads of pg_dump cannot await a promise, so this thread blocks while
 * another one communicates with the server.
 */
function openBridge(server: Server): { pg: PGlite; lost(): string; close(): void } {
  let lost = '';
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const { port1: local, port2: remote } = new MessageChannel();
  worker ??= startWorker();
  worker.postMessage({ server, flag, port: remote }, [remote]);
  const pg: Pick<PGlite, 'execProtocolRawStream'> & Record<'query' | 'exec', () => Promise<unknown>> = {
    execProtocolRawStream: async (message, { onRawData }) => {
      Atomics.store(flag, 0, 0);
      local.postMessage(message.slice());
      // The other thread sets the flag before it notifies, so the notification of an earlier answer can end this wait.
      while (Atomics.load(flag, 0) === 0) {
        if (Atomics.wait(flag, 0, 0, patience) !== 'timed-out') continue;
        // pg_dump itself reports only that the connection was lost.
        lost ||= `There was no answer within ${patience / 1000} s.`;
        throw new Error(lost);
      }
      const answer = receiveMessageOnPort(local)?.message as { bytes: Uint8Array; failure?: string };
      lost ||= answer.failure ?? '';
      onRawData?.(answer.bytes);
    },
    // Only used to reset a search path that is not needed afterwards.
    query: async () => ({ rows: [{ search_path: '' }] }),
    exec: async () => [],
  };
  return { pg: pg as unknown as PGlite, lost: () => lost, close: () => local.close() };
}

let worker: Worker | undefined;

/** Starts the worker for all dumps. It does not keep the process alive. */
function startWorker(): Worker {
  const one = new Worker(new URL('./pg-dump-worker.mjs', import.meta.url), { execArgv: [] });
  one.unref();
  return one;
}
