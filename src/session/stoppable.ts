import { connect } from 'node:net';

/** What of a client of `pg` it takes to cancel what it runs. */
export interface Cancellable {
  readonly host?: string;
  readonly port?: number;
  readonly processID?: number | null;
  readonly secretKey?: number | null;
}

const running = new Set<Cancellable>();
let stopped: Error | undefined;

/**
 * Ends the sessions of this process: the server cancels what they are at, they throw the reason, and so will those that
 * begin later. For programs of ours that are to end themselves.
 */
export function stopSessions(reason: Error): void {
  stopped ??= reason;
  for (const connection of running) cancel(connection);
}

/**
 * Does work that `stopSessions` ends.
 *
 * @param work asks `check` before every statement
 */
export async function stoppable<T>(
  connection: Cancellable,
  work: (check: () => void) => Promise<T>,
): Promise<T> {
  const check = (): void => {
    if (stopped !== undefined) throw stopped;
  };
  running.add(connection);
  try {
    return await work(check);
  } catch (error) {
    throw stopped ?? error;
  } finally {
    running.delete(connection);
  }
}

/** https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS */
function cancel({ host, port, processID, secretKey }: Cancellable): void {
  if (!host || !port || !processID || !secretKey) return;
  const request = Buffer.alloc(16);
  for (const [index, number] of [16, 80_877_102, processID, secretKey].entries())
    request.writeInt32BE(number, index * 4);
  const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
  // Where this fails, the statement goes on to its end, and the transaction is rolled back then.
  socket.on('error', () => undefined);
  socket.end(request);
}
