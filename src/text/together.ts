export type Results<Works> = { -readonly [Place in keyof Works]: Awaited<Works[Place]> };

/** What works give that go on at the same time. All of them have ended before the first error is thrown. */
export async function together<Works extends readonly unknown[]>(
  works: readonly [...Works],
): Promise<Results<Works>> {
  const results = Promise.all(works);
  // Handled below, once all have ended.
  results.catch(() => undefined);
  await Promise.allSettled(works);
  return results as Promise<Results<Works>>;
}
