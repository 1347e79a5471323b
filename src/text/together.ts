export type Results<Works> = { -readonly [Place in keyof Works]: Awaited<Works[Place]> };

/** Returns the results of concurrent tasks. If one fails, the first error is thrown after all have ended. */
export async function together<Works extends readonly unknown[]>(
  works: readonly [...Works],
): Promise<Results<Works>> {
  const results = Promise.all(works);
  // The rejection is handled below, after all have ended.
  results.catch(() => undefined);
  await Promise.allSettled(works);
  return results as Promise<Results<Works>>;
}
