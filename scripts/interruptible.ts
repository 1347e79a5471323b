import { UndropError } from '../src/errors.ts';
import { stopSessions } from '../src/session/stoppable.ts';

// What a shell says of a process that a signal has ended: 128 and its number.
const exitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
const patience = 10_000;

/**
 * Does the work of a command, which a signal ends: sessions are rolled back, and what else there is to clean up is told by
 * `signal`. The process ends with the exit code that belongs to the signal, unless the work is done by then; after ten
 * seconds even if it goes on. A second signal ends it at once.
 *
 * @param what the command, in words
 */
export async function interruptible<T>(what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const names = Object.keys(exitCodes) as (keyof typeof exitCodes)[];
  const off = () => {
    for (const name of names) process.off(name, stop);
  };
  const stop = (name: keyof typeof exitCodes): void => {
    off();
    const code = exitCodes[name];
    process.once('exit', (intended) => {
      if (intended !== 0) process.exitCode = code;
    });
    setTimeout(() => process.exit(code), patience).unref();
    const reason = stoppedBy(name, what);
    controller.abort(reason);
    stopSessions(reason);
  };
  for (const name of names) process.on(name, stop);
  try {
    return await work(controller.signal);
  } finally {
    off();
  }
}

function stoppedBy(signal: string, what: string): UndropError {
  return new UndropError('server-error', {
    subject: signal,
    message: `${what} was stopped by ${signal}.`,
    reason: 'Somebody, or something, has asked this process to end.',
    next: 'Run it again: what was begun is rolled back, and nothing is left of it.',
  });
}
