import { takeCoverage } from 'node:v8';

export const mochaHooks = {
  /** The commands that tests start run a build, whose coverage is not counted but would take much time. */
  beforeAll: () => {
    delete process.env.NODE_V8_COVERAGE;
  },
  /** Writes the coverage after each file. Mocha ends its workers before they have written it, if the machine is busy. */
  afterAll: takeCoverage,
};
