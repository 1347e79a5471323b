import { together } from './together.ts';

/**
 * What works give that go on at the same time. The first that fails stops the others, and is what is thrown, when all
 * have ended.
 *
 * @param outer stops all of them, and then is what is thrown
 */
export async function sideBySide<Results extends readonly unknown[]>(
  works: readonly [...{ [Place in keyof Results]: (signal: AbortSignal) => Promise<Results[Place]> }],
  outer?: AbortSignal,
): Promise<Results> {
  const stop = new AbortController();
  const signal = AbortSignal.any(outer === undefined ? [stop.signal] : [outer, stop.signal]);
  const started = works.map(async (work) => {
    try {
      return await work(signal);
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  });
  const results = await together(started).finally(() => signal.throwIfAborted());
  return results as readonly unknown[] as Results;
}
