/** Leaves the test pending, or in a hook those that it runs for, and says why in the title. */
export function skip(context: Mocha.Context, reason: string): never {
  for (const test of testsOf(context)) {
    test.title += ` (${reason})`;
    test.reason = reason;
  }
  context.skip();
}

// Kept on the test itself: mocha may load this file a second time, as another module.
interface Skipped extends Mocha.Runnable {
  readonly type?: string;
  reason?: string;
}

function testsOf({ test: runnable, currentTest }: Mocha.Context): Skipped[] {
  const found: Skipped | undefined = runnable;
  // Outside of a hook, `currentTest` may be left over from another test.
  if (found?.type !== 'hook') return found === undefined ? [] : [found];
  if (!found.title.startsWith('"before all"')) return currentTest === undefined ? [] : [currentTest];
  const tests: Skipped[] = [];
  found.parent?.eachTest((test) => tests.push(test));
  return tests;
}

/** Why a test is pending, where `skip` made it so. */
export function reasonOf(test: Mocha.Runnable): string | undefined {
  return (test as Skipped).reason;
}
