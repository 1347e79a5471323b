import { UndropError } from './errors.ts';

// What a shell says of a process that a signal has ended: 128 and its number.
const exitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
const patience = 10_000;

/**
 * Does work that has to be cleaned up after when somebody stops this process: its signal is aborted then, with the error
 * to throw. The process ends with the exit code that belongs to the signal, after ten seconds even if the work goes on.
 * A second signal ends it at once.
 */
export async function interruptible<T>(what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const handlers = Object.entries(exitCodes).map(([name, code]) => {
    const handler = (): void => {
      process.once('exit', () => {
        process.exitCode = code;
      });
      setTimeout(() => process.exit(), patience).unref();
      controller.abort(stopped(what, name));
    };
    process.once(name, handler);
    return () => process.off(name, handler);
  });
  try {
    return await work(controller.signal);
  } finally {
    for (const off of handlers) off();
  }
}

/** The work's end, or the abort: the work itself may go on. */
export async function unlessAborted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (signal === undefined) return work;
  signal.throwIfAborted();
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  return Promise.race([work, aborted]);
}

function stopped(what: string, signal: string): UndropError {
  return new UndropError('backup-failed', {
    subject: signal,
    message: `${what} was stopped by ${signal}.`,
    reason: 'Somebody, or something, has asked this process to end.',
    next: 'Run it again; nothing is left of this one.',
  });
}
