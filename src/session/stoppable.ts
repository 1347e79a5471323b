import { AsyncLocalStorage } from 'node:async_hooks';
import { connect } from 'node:net';

/** The properties of a client of `pg` that a cancel request needs. */
export interface Cancellable {
  readonly host?: string;
  readonly port?: number;
  readonly processID?: number | null;
  readonly secretKey?: number | null;
}

const signals = new AsyncLocalStorage<AbortSignal>();

/**
 * Does work whose sessions end when the signal is aborted: the server cancels their current statements, and they throw the
 * reason of the signal, as do sessions that begin later. Only the commands use this; an application ends its own work.
 */
export function stoppableBy<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  return signals.run(signal, work);
}

/**
 * Does the work of a session, which ends when the signal of `stoppableBy` is aborted.
 *
 * @param work must call `check` before every statement
 */
export async function stoppable<T>(
  connection: Cancellable,
  work: (check: () => void) => Promise<T>,
): Promise<T> {
  const signal = signals.getStore();
  const stop = () => cancel(connection);
  signal?.addEventListener('abort', stop);
  try {
    return await work(() => signal?.throwIfAborted());
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS */
function cancel({ host, port, processID, secretKey }: Cancellable): void {
  if (!host || !port || !processID || !secretKey) return;
  const request = Buffer.alloc(16);
  for (const [index, number] of [16, 80_877_102, processID, secretKey].entries())
    request.writeInt32BE(number, index * 4);
  const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
  // If this fails, the statement runs to its end, and the transaction is rolled back then.
  socket.on('error', () => undefined);
  socket.end(request);
}
