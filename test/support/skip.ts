/** Leaves the test pending, and says why in its title. */
export function skip(context: Mocha.Context, reason: string): never {
  const { test } = context;
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
