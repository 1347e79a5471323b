import { connect } from 'node:net';
import { UndropError } from './errors.ts';

/** What of a client of `pg` it takes to cancel what it runs. */
export interface Cancellable {
  readonly host?: string;
  readonly port?: number;
  readonly processID?: number | null;
  readonly secretKey?: number | null;
}

// What a shell says of a process that a signal has ended: 128 and its number.
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;
const patience = 10_000;

/**
 * Does work that can be stopped: at SIGINT or SIGTERM the server cancels what it is at, and `check` throws from then on,
 * so that the transaction is rolled back. The process ends with the exit code that belongs to the signal, after ten
 * seconds even if that fails. A second signal ends it at once.
 *
 * @param work asks `check` before every statement
 */
export async function stoppable<T>(
  connection: Cancellable,
  work: (check: () => void) => Promise<T>,
): Promise<T> {
  let stopped: UndropError | undefined;
  const check = (): void => {
    if (stopped !== undefined) throw stopped;
  };
  const handlers = Object.entries(exitCodes).map(([name, code]) => {
    const handler = (): void => {
      stopped ??= stoppedBy(name);
      process.once('exit', (intended) => {
        if (intended !== 0) process.exitCode = code;
      });
      setTimeout(() => process.exit(code), patience).unref();
      cancel(connection);
    };
    process.once(name, handler);
    return () => process.off(name, handler);
  });
  try {
    return await work(check);
  } catch (error) {
    throw stopped ?? error;
  } finally {
    for (const off of handlers) off();
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

function stoppedBy(signal: string): UndropError {
  return new UndropError('server-error', {
    subject: signal,
    message: `Stopped by ${signal}; what was begun is rolled back.`,
    reason: 'Somebody, or something, has asked this process to end.',
    next: 'Run it again: it begins where it was before.',
  });
}
