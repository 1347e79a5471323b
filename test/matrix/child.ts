import { fileURLToPath } from 'node:url';
import Mocha from 'mocha';
import { askVersion } from '../support/server-version.ts';
import { reasonOf } from '../support/skip.ts';

/** What the tests run on, as it says itself. Told first. */
export interface Server {
  readonly version: string;
}

/** What became of one test. */
export interface Outcome {
  /** Names of the suites that it is in, and its own. */
  readonly title: readonly string[];
  readonly state: 'passed' | 'failed' | 'skipped';
  /** Of a failure: the error. Of a test that was skipped: the reason. */
  readonly why: string | undefined;
}

// The server goes with this process: see test/support/cluster.ts.
process.on('disconnect', () => process.exit(1));

/** Tells the parent process each outcome as it comes. */
function Teller(runner: Mocha.Runner): void {
  const tell = (test: Mocha.Runnable, state: Outcome['state'], why?: string): void => {
    process.send?.({ title: test.titlePath(), state, why } satisfies Outcome);
  };
  runner.on('pass', (test) => tell(test, 'passed'));
  runner.on('pending', (test) => tell(test, 'skipped', reasonOf(test) ?? 'says no reason'));
  runner.on('fail', (test, error) => tell(test, 'failed', error?.stack ?? String(error)));
}

const mocha = new Mocha({
  timeout: 120_000,
  forbidOnly: true,
  // Its type wants a class; called with `new`, any function will do.
  reporter: Teller as unknown as NonNullable<Mocha.MochaOptions['reporter']>,
});
for (const file of process.argv.slice(2))
  mocha.addFile(fileURLToPath(new URL(`../${file}`, import.meta.url)));
await mocha.loadFilesAsync();
process.send?.({ version: await askVersion() } satisfies Server);
mocha.run((failures) => process.exit(failures === 0 ? 0 : 1));
