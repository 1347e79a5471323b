import { say } from '../text/log.ts';
import { describeTarget } from './connection.ts';
import type { Target } from './target.ts';

const printed = new Set<string>();

/** Prints the database of a target, once in a process. */
export function announce(target: Target): void {
  const line = `Database: ${describeTarget(target)}`;
  if (!printed.has(line)) say(line);
  printed.add(line);
}
