import { say } from './log.ts';

const everyMs = 5000;

/**
 * Says every five seconds how far a long piece of work is; what is done sooner says nothing.
 *
 * @param items each is done when the next is taken, or the end is reached
 * @param name of an item, for the line
 */
export async function* withProgress<Item>(
  what: string,
  items: readonly Item[],
  name: (item: Item) => string,
): AsyncGenerator<Item> {
  const start = performance.now();
  let done = 0;
  const timer = setInterval(() => {
    const item = items[done];
    const at = item === undefined ? '' : `, now ${name(item)}`;
    const seconds = Math.round((performance.now() - start) / 1000);
    say(`${what}: ${done} of ${items.length} done, ${items.length - done} left after ${seconds} s${at}`);
  }, everyMs);
  // Else it would keep the process from ending.
  timer.unref();
  try {
    for (const item of items) {
      yield item;
      done++;
    }
  } finally {
    clearInterval(timer);
  }
}
