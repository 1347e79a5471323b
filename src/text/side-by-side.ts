import { together } from './together.ts';

/**
 * Runs concurrent tasks and returns their results. The first task that fails aborts the others, and its error is thrown after
 * all have ended.
 *
 * @param outer aborts all tasks; its reason is then thrown
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
