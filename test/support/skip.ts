/** Skips the test, or in a hook the tests that it runs for, and adds the reason to the title. */
export function skip(context: Mocha.Context, reason: string): never {
  for (const test of testsOf(context)) {
    test.title += ` (${reason})`;
    test.reason = reason;
  }
  context.skip();
}

// Stored on the test itself, because mocha may load this file twice, as two modules.
interface Skipped extends Mocha.Runnable {
  readonly type?: string;
  reason?: string;
}

function testsOf({ test: runnable, currentTest }: Mocha.Context): Skipped[] {
  const found: Skipped | undefined = runnable;
  // Outside of a hook, `currentTest` may be that of another test.
  if (found?.type !== 'hook') return found === undefined ? [] : [found];
  if (!found.title.startsWith('"before all"')) return currentTest === undefined ? [] : [currentTest];
  const tests: Skipped[] = [];
  found.parent?.eachTest((test) => tests.push(test));
  return tests;
}

/** Returns the reason why `skip` skipped a test. */
export function reasonOf(test: Mocha.Runnable): string | undefined {
  return (test as Skipped).reason;
}
