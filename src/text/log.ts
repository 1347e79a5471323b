import { AsyncLocalStorage } from 'node:async_hooks';
import { printable } from './printable.ts';
import { wrap } from './terminal.ts';

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

/** On a terminal, lines are broken at spaces; a file gets them whole. */
function toStderr(line: string): void {
  const text = line.trimStart();
  const indent = line.length - text.length;
  const lines = wrap(
    ' '.repeat(indent),
    text,
    indent + 4,
    process.stderr.columns ?? Number.POSITIVE_INFINITY,
  );
  process.stderr.write(`${lines.join('\n')}\n`);
}

function nowhere(): void {}
