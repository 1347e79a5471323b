import { takeCoverage } from 'node:v8';

/** Writes the coverage after each file. Mocha ends its workers before they have written it, if the machine is busy. */
export const mochaHooks = { afterAll: takeCoverage };
