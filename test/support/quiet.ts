import { logFromHere } from '../../src/text/log.ts';

const { write } = process.stderr;

/** Passes the log on only to tests that have replaced the method to read it; it would appear between their results. */
function logToReaders(line: string): void {
  if (process.stderr.write !== write) process.stderr.write(`${line}\n`);
}

/** https://mochajs.org/#root-hook-plugins. Synchronous, so that what mocha calls next inherits it. */
export const mochaHooks = {
  beforeAll: () => logFromHere(logToReaders),
  beforeEach: () => logFromHere(logToReaders),
};
