import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Turnstile {
  /** `host:port` */
  readonly address: string;
  /** Stops listening, and disconnects all clients. */
  close(): Promise<void>;
}

/**
 * A proxy that connects clients to a server of this process, one at a time. The next client waits until the connection
 * of the one before is closed, which is a moment after that client has disconnected. It is disconnected if it waits too
 * long.
 *
 * @param port the server's port on loopback; the server must accept two connections, since it too notices a closed one
 * later
 * @param patience how long a client waits, in milliseconds
 */
export async function openTurnstile(port: number, patience = 2_000): Promise<Turnstile> {
  const host = '127.0.0.1';
  const waiting = new Set<Socket>();
  let connected: Socket | undefined;

  const admit = (): void => {
    const [client] = waiting;
    if (client === undefined || connected !== undefined) return;
    waiting.delete(client);
    connected = client;
    const server = prepare(connect(port, host));
    client.pipe(server).pipe(client);
    client.once('close', () => server.destroy());
    server.once('close', () => {
      client.destroy();
      connected = undefined;
      admit();
    });
  };

  const listener = createServer({ pauseOnConnect: true }, (client) => {
    waiting.add(prepare(client));
    client.once('close', () => waiting.delete(client));
    setTimeout(() => waiting.has(client) && client.destroy(), patience).unref();
    admit();
  });
  listener.listen(0, host);
  await once(listener, 'listening');
  return {
    address: `${host}:${(listener.address() as AddressInfo).port}`,
    close: async () => {
      const closed = once(listener, 'close');
      listener.close();
      for (const client of waiting) client.destroy();
      connected?.destroy();
      await closed;
    },
  };
}

/** Ignores errors: the socket is closed after one. */
function prepare(socket: Socket): Socket {
  return socket.setNoDelay(true).on('error', () => undefined);
}
