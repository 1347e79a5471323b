import { fileURLToPath } from 'node:url';
import Mocha from 'mocha';
import { askVersion } from '../support/server-version.ts';
import { reasonOf } from '../support/skip.ts';

/** The server that the tests run on, with the version that it reports. This is the first message. */
export interface Server {
  readonly version: string;
}

/** The result of a test. */
export interface Outcome {
  /** The titles of its suites and its own. */
  readonly title: readonly string[];
  readonly state: 'passed' | 'failed' | 'skipped';
  /** The error if it failed; the reason if it was skipped. */
  readonly why: string | undefined;
}

// The server stops with this process: see test/support/cluster.ts.
process.on('disconnect', () => process.exit(1));

/** A reporter that sends each result to the parent process. */
function Reporter(runner: Mocha.Runner): void {
  const send = (test: Mocha.Runnable, state: Outcome['state'], why?: string): void => {
    process.send?.({ title: test.titlePath(), state, why } satisfies Outcome);
  };
  runner.on('pass', (test) => send(test, 'passed'));
  runner.on('pending', (test) => send(test, 'skipped', reasonOf(test) ?? 'no reason given'));
  runner.on('fail', (test, error) => send(test, 'failed', error?.stack ?? String(error)));
}

const mocha = new Mocha({
  timeout: 600_000,
  forbidOnly: true,
  // The type requires a class, but any function can be called with `new`.
  reporter: Reporter as unknown as NonNullable<Mocha.MochaOptions['reporter']>,
});
for (const file of process.argv.slice(2))
  mocha.addFile(fileURLToPath(new URL(`../${file}`, import.meta.url)));
await mocha.loadFilesAsync();
process.send?.({ version: await askVersion() } satisfies Server);
mocha.run((failures) => process.exit(failures === 0 ? 0 : 1));
