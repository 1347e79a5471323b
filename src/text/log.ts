import { AsyncLocalStorage } from 'node:async_hooks';
import { printable } from './printable.ts';

const silence = new AsyncLocalStorage<true>();

/** Logs a line to stderr, because stdout is for the output of the command, which may be Knex's. */
export function say(line: string): void {
  if (silence.getStore() === undefined) process.stderr.write(`${printable(line)}\n`);
}

/** Does work without logging. */
export function quietly<T>(work: () => Promise<T>): Promise<T> {
  return silence.run(true, work);
}
