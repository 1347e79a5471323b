import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Turnstile {
  /** `host:port` */
  readonly address: string;
  /** Lets nobody in any more, and puts out who is inside. */
  close(): Promise<void>;
}

/**
 * Lets clients in to a server of this process, one at a time. The next one waits for the one before to be gone, which
 * takes a moment after that one has said goodbye; where it does not go, the next one is turned away without a word.
 *
 * @param port of the server, on loopback; it must take two connections, since it too sees a client go only later
 * @param patience of the next one, in milliseconds
 */
export async function openTurnstile(port: number, patience = 2_000): Promise<Turnstile> {
  const host = '127.0.0.1';
  const waiting = new Set<Socket>();
  let inside: Socket | undefined;

  const admit = (): void => {
    const [client] = waiting;
    if (client === undefined || inside !== undefined) return;
    waiting.delete(client);
    inside = client;
    const server = prepare(connect(port, host));
    client.pipe(server).pipe(client);
    client.once('close', () => server.destroy());
    server.once('close', () => {
      client.destroy();
      inside = undefined;
      admit();
    });
  };

  const door = createServer({ pauseOnConnect: true }, (client) => {
    waiting.add(prepare(client));
    client.once('close', () => waiting.delete(client));
    setTimeout(() => waiting.has(client) && client.destroy(), patience).unref();
    admit();
  });
  door.listen(0, host);
  await once(door, 'listening');
  return {
    address: `${host}:${(door.address() as AddressInfo).port}`,
    close: async () => {
      const closed = once(door, 'close');
      door.close();
      for (const client of waiting) client.destroy();
      inside?.destroy();
      await closed;
    },
  };
}

/** One that breaks off, also while it waits, is closed, and that is all there is to it. */
function prepare(socket: Socket): Socket {
  return socket.setNoDelay(true).on('error', () => undefined);
}
