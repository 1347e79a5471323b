import { createServer, type Server, Socket } from 'node:net';

/** Where a fault is injected: before a statement reaches the server, or before its answer reaches the client. */
export interface Strike {
  /** The number of the statement over all connections, from 1; or a pattern for its text; or every one. */
  readonly statement: number | RegExp | 'every';
  readonly when: 'before' | 'after';
  /** The connection waits for it, and continues if it is still open. */
  readonly fault: () => void | Promise<void>;
}

/** A proxy between clients and a PostgreSQL server that counts statements and injects a fault at one of them. */
export interface FaultProxy {
  readonly port: number;
  /** Resets the count to 1. Without a strike, only counts. */
  arm(strike?: Strike): void;
  statements(): number;
  /** As if the cable was pulled or the client was killed: neither side receives anything more. */
  cut(): void;
  stop(): Promise<void>;
}

export async function startProxy(target: { host: string; port: number }): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  let strike: Strike | undefined;
  let count = 0;

  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };

  const isStruck = (statement: Strike['statement'], isStatement: boolean, message: Buffer): boolean =>
    statement instanceof RegExp
      ? statement.test(message.toString())
      : isStatement && (statement === 'every' || statement === count);

  const join = (client: Socket): void => {
    const server = new Socket().connect(target.port, target.host);
    for (const socket of [client, server]) {
      sockets.add(socket);
      // Without Nagle's algorithm, which would delay each message until the previous one is acknowledged.
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        sockets.delete(socket);
        (socket === client ? server : client).destroy();
      });
    }
    let struck: Strike | undefined;
    let begun = false;
    let rest = Buffer.alloc(0);
    let work = Promise.resolve();
    const forward = async (chunk: Buffer): Promise<void> => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        // The first message of a connection has no type byte.
        // https://www.postgresql.org/docs/current/protocol-message-formats.html
        const at = begun ? 1 : 0;
        if (rest.length < at + 4) return;
        const end = at + rest.readUInt32BE(at);
        if (rest.length < end) return;
        const message = rest.subarray(0, end);
        rest = rest.subarray(end);
        const letter = begun ? String.fromCharCode(message[0] ?? 0) : '';
        begun = true;
        // A simple query, or the end of prepared ones.
        const isStatement = letter === 'Q' || letter === 'S';
        if (isStatement) count++;
        const now = strike;
        if (now !== undefined && isStruck(now.statement, isStatement, message)) {
          if (now.statement !== 'every') strike = undefined;
          if (now.when === 'before') await now.fault();
          else struck = now;
        }
        server.write(message);
      }
    };
    client.on('data', (chunk: Buffer) => {
      work = work.then(() => forward(chunk));
    });
    let answers = Promise.resolve();
    server.on('data', (chunk: Buffer) => {
      answers = answers.then(async () => {
        const now = struck;
        struck = undefined;
        await now?.fault();
        client.write(chunk);
      });
    });
  };

  const listener: Server = createServer(join);
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as { port: number };
  return {
    port,
    arm: (next) => {
      strike = next;
      count = 0;
    },
    statements: () => count,
    cut,
    stop: async () => {
      cut();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
