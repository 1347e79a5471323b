import { AsyncLocalStorage } from 'node:async_hooks';
import { printable } from './printable.ts';

type Sink = (line: string) => void;

const sinks = new AsyncLocalStorage<Sink>();

/** Logs a line to stderr, because stdout is for the output of the command, which may be Knex's. */
export function say(line: string): void {
  const sink = sinks.getStore() ?? toStderr;
  sink(printable(line));
}

/** Does work without logging. */
export function quietly<T>(work: () => Promise<T>): Promise<T> {
  return sinks.run(nowhere, work);
}

/** Sends the log of what follows in this execution to a function, for tests. */
export function logFromHere(sink: Sink): void {
  sinks.enterWith(sink);
}

/** Does work that logs to a function, unless logging is off. */
export function logTo<T>(sink: Sink | undefined, work: () => Promise<T>): Promise<T> {
  return sink === undefined || sinks.getStore() === nowhere ? work() : sinks.run(sink, work);
}

function toStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}

function nowhere(): void {}
