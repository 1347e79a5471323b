import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedServer, startEmbedded } from '../../src/knex/embedded.ts';
import { openTurnstile, type Turnstile } from '../../src/knex/turnstile.ts';
import { keepEmbeddedCompiled } from './compiled.ts';

/** Databases of PGlite. PGlite has one database, so each of these is a separate server with its own roles. */
export interface EmbeddedDatabases {
  /** Creates an empty database. Returns its port. */
  create(): Promise<number>;
  drop(port: number): Promise<void>;
  stop(): Promise<void>;
}

// A test may keep a client for as long as the test runs.
const patience = 600_000;

const byPort = new Map<number, { embedded: EmbeddedServer; door: Turnstile }>();

/** Returns the embedded server on a port that `create` returned. */
export function embeddedAt(port: number): EmbeddedServer | undefined {
  return byPort.get(port)?.embedded;
}

export async function startEmbeddedDatabases(): Promise<EmbeddedDatabases> {
  await keepEmbeddedCompiled();
  const root = mkdtempSync(join(tmpdir(), 'undrop-embedded-'));
  const template = join(root, 'template');
  await (await startEmbedded(template)).stop();
  let count = 0;

  const open = (): Promise<EmbeddedServer> => {
    const folder = join(root, `${++count}`);
    execFileSync('cp', ['-R', template, folder]);
    return startEmbedded(folder);
  };

  // The next database is opened while a test uses the current one.
  let next = open();
  next.catch(() => undefined);

  const drop = async (port: number): Promise<void> => {
    const one = byPort.get(port);
    if (one === undefined) return;
    byPort.delete(port);
    await one.door.close();
    await one.embedded.stop();
    rmSync(one.embedded.folder, { recursive: true, force: true });
  };

  return {
    create: async () => {
      const embedded = await next;
      next = open();
      next.catch(() => undefined);
      const door = await openTurnstile(embedded.settings.port, patience);
      const port = Number(door.address.split(':')[1]);
      byPort.set(port, { embedded, door });
      return port;
    },
    drop,
    stop: async () => {
      for (const port of [...byPort.keys()]) await drop(port);
      await (await next).stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
