/** Leaves the test pending, and says why in its title. */
export function skip(context: Mocha.Context, reason: string): never {
  // In a hook, the test is the one that the hook runs for.
  const test = context.currentTest ?? context.test;
  if (test !== undefined) {
    test.title += ` (${reason})`;
    reasons.set(test, reason);
  }
  context.skip();
}

const reasons = new WeakMap<object, string>();

/** Why a test is pending, where `skip` made it so. */
export function reasonOf(test: object): string | undefined {
  return reasons.get(test);
}
