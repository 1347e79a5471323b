import { AsyncLocalStorage } from 'node:async_hooks';
import { printable } from './printable.ts';

const silence = new AsyncLocalStorage<true>();

/** One line for the operator, on stderr: stdout belongs to the command that runs, Knex's included. */
export function say(line: string): void {
  if (silence.getStore() === undefined) process.stderr.write(`${printable(line)}\n`);
}

/** Does the work without a word to the operator. */
export function quietly<T>(work: () => Promise<T>): Promise<T> {
  return silence.run(true, work);
}

/** `1 table`, `6 tables`. */
export function countTables(tables: readonly unknown[]): string {
  return tables.length === 1 ? '1 table' : `${tables.length} tables`;
}
