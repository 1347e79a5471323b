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
 * The outside judge: a native pg_dump, where this machine has one that reads the server; else that of `wasmPgDump`,
 * which takes five times as long. Rows come as INSERTs, and the `\restrict` lines, which differ each time, do not come.
 *
 * The server must trust the URL's user. Throws with pg_dump's own words.
 */
export async function pgDump(url: string, args: string[] = []): Promise<string> {
  return (await nativePgDump(url, args)) ?? wasmPgDump(url, args);
}

/** By a native pg_dump; undefined where this machine has none that reads the server. */
export async function nativePgDump(url: string, args: string[] = []): Promise<string | undefined> {
  const program = await nativeFor(url);
  if (program === undefined) return undefined;
  const { host, port, user, password, database } = serverOf(url);
  const { stdout } = await promisify(execFile)(program.path, ['--no-password', '--inserts', ...args], {
    // An argument might be read as a connection string.
    env: {
      ...process.env,
      ...{ PGHOST: host, PGPORT: String(port), PGUSER: user, PGPASSWORD: password, PGDATABASE: database },
    },
    maxBuffer: 1 << 28,
  });
  return stdout.replace(/^\\(un)?restrict .*$/gm, '');
}

/** By pg_dump 18, compiled to WASM, over the real server (14 to 18) that the URL names. */
export async function wasmPgDump(url: string, args: string[] = []): Promise<string> {
  const embedded = embeddedAt(serverOf(url).port);
  // It has this pg_dump itself, and takes one client at a time.
  if (embedded !== undefined) return embedded.dump(args);
  const server = serverOf(url);
  // A dump takes 0.2 s with it, and 1 s without.
  compiled ??= keepCompiled('@electric-sql/pglite-tools/pg_dump', 'pg_dump.wasm');
  await compiled;
  for (let tries = 1; ; tries++) {
    const bridge = openBridge(server);
    try {
      const file = await dump({ pg: bridge.pg, args });
      return withoutInternalOptions(await file.text());
    } catch (error) {
      const { message } = error as Error;
      // Once in a thousand dumps it sees an end where there is none. It then has no result, so that none is hidden.
      const isWhim = bridge.lost() === '' && message.includes('server closed the connection unexpectedly');
      if (!isWhim || tries === 3) throw new Error(`${message} ${bridge.lost()}`.trim(), { cause: error });
    } finally {
      bridge.close();
    }
  }
}

/**
 * Servers from November 2026 on keep options of columns for themselves, new ones for each new column, and this pg_dump is
 * older. https://www.postgresql.org/docs/current/catalog-pg-attribute.html
 */
function withoutInternalOptions(dump: string): string {
  return dump.replace(setsOptions, (_, alter: string, options: string) => {
    const others = options.split(', ').filter((option) => !option.startsWith('pg_'));
    return others.length === 0 ? '\n' : `${alter}(${others.join(', ')});\n`;
  });
}

// Names may hold line breaks, and after DEPENDS ON EXTENSION pg_dump breaks no line.
const name = String.raw`(?:"(?:[^"]|"")*"|[\w$]+)`;
const setsOptions = new RegExp(
  String.raw`(ALTER (?:FOREIGN )?TABLE ONLY ${name}\.${name} ALTER COLUMN ${name} SET )\((.*)\);\n`,
  'g',
);

/** Schema and rows, less our own schema. */
export function wholeText(url: string): Promise<string> {
  return pgDump(url, ['--exclude-schema=undrop']);
}

/** A native pg_dump of this major or later, if this machine has one. */
export async function systemPgDump(atLeast = 0): Promise<PgDump | undefined> {
  // What PATH leads to may be a script that takes longer to find pg_dump than that takes to start.
  for (const env of [{ ...process.env, PATH: '' }, process.env]) {
    const found = await findPgDump(env, atLeast).catch(() => undefined);
    if (found && found.major >= atLeast) return found;
  }
  return undefined;
}

/** The same, or the test is skipped. */
export async function nativeOrSkip(context: Mocha.Context, atLeast: number): Promise<PgDump> {
  const native = await systemPgDump(atLeast);
  return native ?? skip(context, `no pg_dump of ${atLeast} or later is installed`);
}

const natives = new Map<string, PgDump | undefined>();

/** Found once for each server. */
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

const patience = 120_000;

interface Server {
  host: string;
  port: number;
  user: string;
  password: string;
  database: string;
}

/**
 * What stands in for PGlite. pg_dump's reads cannot wait for a promise, so this thread sleeps while another one
 * talks to the server.
 */
function openBridge(server: Server): { pg: PGlite; lost(): string; close(): void } {
  let lost = '';
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const { port1: here, port2: there } = new MessageChannel();
  worker ??= startWorker();
  worker.postMessage({ server, flag, port: there }, [there]);
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
  return { pg: pg as unknown as PGlite, lost: () => lost, close: () => here.close() };
}

let worker: Worker | undefined;

/** One for all dumps, which keeps no process alive. */
function startWorker(): Worker {
  const one = new Worker(new URL('./pg-dump-worker.mjs', import.meta.url), { execArgv: [] });
  one.unref();
  return one;
}
