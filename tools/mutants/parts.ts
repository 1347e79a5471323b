/** Code that decides, and the tests that must notice any change of it. */
export interface Part {
  readonly mutate: readonly string[];
  readonly tests: readonly string[];
}

export const parts: Readonly<Record<string, Part>> = {
  verdict: { mutate: ['src/audit/verdict.ts'], tests: ['test/verdict.test.ts'] },
  'embedded-lock': { mutate: ['src/knex/embedded-lock.ts'], tests: ['test/embedded-lock.test.ts'] },
  compare: { mutate: ['src/capture/compare.ts'], tests: ['test/compare.test.ts'] },
  seal: { mutate: ['src/archive/seal.ts'], tests: ['test/compare.test.ts', 'test/sequence-states.test.ts'] },
  secrets: {
    mutate: ['src/knex/settings.ts', 'src/knex/target-of-option.ts', 'src/knex/tls.ts'],
    tests: ['test/connection.test.ts', 'test/tls-files.test.ts'],
  },
  'sequence-states': {
    mutate: ['src/catalog/facts/sequence-facts.ts', 'src/catalog/sequence-states.ts'],
    tests: ['test/sequence-states.test.ts'],
  },
  'kept-rows': { mutate: ['src/archive/kept-rows.ts'], tests: ['test/kept-rows.test.ts'] },
  'proof-contents': {
    mutate: ['src/backup/proof/prove-contents.ts'],
    tests: ['test/proof-contents.test.ts'],
  },
  proof: {
    mutate: [
      'src/backup/proof/prove.ts',
      'src/backup/proof/prove-restore.ts',
      'src/backup/restore/compare-manifest.ts',
    ],
    tests: ['test/proof-restore.test.ts'],
  },
  preconditions: { mutate: ['src/up/preconditions.ts'], tests: ['test/preconditions.test.ts'] },
  closure: { mutate: ['src/catalog/closure.ts'], tests: ['test/closure.test.ts'] },
  locks: {
    mutate: ['src/locks/*.ts'],
    tests: [
      'test/blockers.test.ts',
      'test/lock-closure.test.ts',
      'test/lock-tries.test.ts',
      'test/second-connection.test.ts',
    ],
  },
  facts: {
    mutate: [
      'src/catalog/facts/facts.ts',
      'src/catalog/facts/row-hashes.ts',
      'src/catalog/facts/resolved.ts',
    ],
    tests: ['test/facts.test.ts', 'test/standing-facts.test.ts', 'test/resolved.test.ts'],
  },
  verify: {
    mutate: ['src/verify/compare-record.ts', 'src/verify/compare-archive.ts', 'src/verify/expected-facts.ts'],
    tests: ['test/verify-history.test.ts'],
  },
  gate: {
    mutate: ['src/backup/backup-gate.ts', 'src/backup/damage.ts'],
    tests: ['test/gate.test.ts'],
  },
};
