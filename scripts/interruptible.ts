import { UndropError } from '../src/errors.ts';
import { stoppableBy } from '../src/session/stoppable.ts';

// The exit codes by which a shell reports a process that a signal has ended: 128 plus the number of the signal.
const exitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
const patience = 10_000;

/**
 * Runs a command until a signal arrives. Its sessions are then rolled back, and `signal` is aborted, so that the command can
 * clean up the rest. The process ends with the exit code of the signal unless the work succeeds first, and after ten seconds
 * in any case. A second signal ends it at once.
 *
 * @param what the command, for messages
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
    controller.abort(stoppedBy(name, what));
  };
  for (const name of names) process.on(name, stop);
  try {
    return await stoppableBy(controller.signal, () => work(controller.signal));
  } finally {
    off();
  }
}

function stoppedBy(signal: string, what: string): UndropError {
  return new UndropError('server-error', {
    subject: signal,
    message: `${what} was stopped by ${signal}.`,
    reason: `The process received ${signal}.`,
    next: 'Run it again: all that it had begun was rolled back or removed.',
  });
}
