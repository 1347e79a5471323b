import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type EmbeddedServer, startEmbedded } from '../../src/knex/embedded.ts';

/** Databases of PGlite, which has one each: so each is a server of its own, with roles of its own. */
export interface EmbeddedDatabases {
  /** Gives the port of a new, empty one. */
  create(): Promise<number>;
  drop(port: number): Promise<void>;
  stop(): Promise<void>;
}

const byPort = new Map<number, { embedded: EmbeddedServer; door: Server }>();

/** The embedded server behind a port of `create`. */
export function embeddedAt(port: number): EmbeddedServer | undefined {
  return byPort.get(port)?.embedded;
}

export async function startEmbeddedDatabases(): Promise<EmbeddedDatabases> {
  const root = mkdtempSync(join(tmpdir(), 'undrop-embedded-'));
  const template = join(root, 'template');
  await (await startEmbedded(template)).stop();
  let count = 0;

  const open = (): Promise<EmbeddedServer> => {
    const folder = join(root, `${++count}`);
    execFileSync('cp', ['-R', template, folder]);
    return startEmbedded(folder);
  };

  // While a test uses one, the next one opens.
  let next = open();
  next.catch(() => undefined);

  const drop = async (port: number): Promise<void> => {
    const one = byPort.get(port);
    if (one === undefined) return;
    byPort.delete(port);
    one.door.close();
    await one.embedded.stop();
    rmSync(one.embedded.folder, { recursive: true, force: true });
  };

  return {
    create: async () => {
      const embedded = await next;
      next = open();
      next.catch(() => undefined);
      const door = await openDoor(embedded.settings.port);
      const { port } = door.address() as { port: number };
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

/** PGlite sends a second client away: here it waits until the first has gone. */
function openDoor(behind: number): Promise<Server> {
  let last: Promise<void> = Promise.resolve();
  const door = createServer((client) => {
    client.on('error', () => client.destroy());
    const before = last;
    last = before.then(() => lead(client, behind));
  });
  return new Promise((resolve) => door.listen(0, '127.0.0.1', () => resolve(door)));
}

/** Joins a client to the server until both have closed. One that is sent away although it is alone tries again. */
async function lead(client: Socket, port: number): Promise<void> {
  const gone = new Promise<void>((resolve) => client.once('close', () => resolve()));
  const said: Buffer[] = [];
  let server: Socket | undefined;
  let answered = false;
  client.on('data', (bytes) => {
    if (!answered) said.push(bytes);
    server?.write(bytes);
  });
  client.once('end', () => server?.end());
  client.once('close', () => server?.destroy());
  while (!client.destroyed && !answered) {
    const one = connect(port, '127.0.0.1');
    server = one;
    for (const bytes of said) one.write(bytes);
    one.on('data', (bytes) => {
      answered = true;
      client.write(bytes);
    });
    one.once('error', () => one.destroy());
    await new Promise((resolve) => one.once('close', resolve));
    if (!answered) await sleep(20);
  }
  client.end();
  await gone;
}
