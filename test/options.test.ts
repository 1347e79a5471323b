import { expect } from 'chai';
import { isUndropError } from '../src/errors.ts';
import { checkApprovals, readApprovals } from '../src/options/approvals.ts';
import { type DropOptions, parseOptions } from '../src/options/options.ts';
import { parseTableName, quoteName } from '../src/options/table-name.ts';

/** Returns the UndropError that a call throws; fails if it throws none. */
function refusal(call: () => unknown) {
  try {
    call();
  } catch (error) {
    if (isUndropError(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const minimal: DropOptions = { name: 'm', tables: ['t'] };

describe('options', () => {
  it('have defaults', () => {
    const options = parseOptions(minimal, {});
    expect(options).to.deep.include({
      dependents: 'refuse',
      missing: 'refuse',
      backup: 'off',
      backupMaxAgeSeconds: 86_400,
      approval: 'none',
      lockTimeoutMs: 2000,
      lockTries: 8,
      overrides: [],
    });
    expect(options).to.be.frozen;
  });

  it('accept tables with and without reasons', () => {
    expect(parseOptions({ name: 'm', tables: { a: 'why' } }, {}).tables[0]).to.include({
      name: 'a',
      reason: 'why',
    });
    expect(parseOptions(minimal, {}).tables[0]).to.include({ name: 't', reason: undefined });
  });

  it('are refused with all mistakes in one error', () => {
    const wrong = {
      name: '',
      tables: ['a', 'a', 'b.c.d'],
      dependents: 'maybe',
      backupMaxAge: 'long',
      lockTimeout: '0s',
      lockTries: 0,
      colour: 'red',
    } as unknown as DropOptions;
    const error = refusal(() => parseOptions(wrong, { UNDROP_BACKUP: 'perhaps' }));
    expect(error.code).to.equal('bad-options');
    for (const part of [
      'colour',
      'name is missing',
      'names a twice',
      'b.c.d',
      'maybe',
      'long',
      '0s',
      'lockTries',
      'perhaps',
    ])
      expect(error.reason).to.contain(part);
  });

  for (const tables of [undefined, 'posts', {}, [], [3]]) {
    it(`refuse ${JSON.stringify(tables)} as tables`, () => {
      const error = refusal(() => parseOptions({ name: 'm', tables } as unknown as DropOptions, {}));
      expect(error.code).to.equal('bad-options');
    });
  }

  it('refuse a schema comment for tables of several schemas', () => {
    const error = refusal(() => parseOptions({ name: 'm', tables: ['a.t', 'b.t'], schemaComment: 'x' }, {}));
    expect(error.reason).to.contain('one schema');
  });

  it('are overridden by the environment, which is recorded', () => {
    const env = {
      UNDROP_BACKUP: 'off',
      UNDROP_BACKUP_MAX_AGE: '90m',
      UNDROP_DEPENDENTS: 'cascade:m',
      UNDROP_SCHEMA_COMMENT: 'off',
    };
    const options = parseOptions({ ...minimal, backup: 'required', schemaComment: 'x' }, env);
    expect(options).to.deep.include({ backup: 'off', backupMaxAgeSeconds: 5400, dependents: 'cascade' });
    expect(options.schemaComment).to.equal(undefined);
    expect(options.overrides).to.deep.equal(Object.entries(env).map(([key, value]) => `${key}=${value}`));
  });

  it('ignore UNDROP_DEPENDENTS of another migration', () => {
    const options = parseOptions(minimal, { UNDROP_DEPENDENTS: 'cascade:other' });
    expect(options).to.deep.include({ dependents: 'refuse', overrides: [] });
  });
});

describe('the name of a migration', () => {
  for (const [given, name] of [
    ['044_x', '044_x'],
    ['044_x.ts', '044_x.ts'],
    ['/app/migrations/044_x.ts', '044_x'],
    ['/app/dist/migrations/044_x.js', '044_x'],
    ['C:\\app\\044_x.cjs', '044_x'],
    ['/app/044_x.of.5', '044_x.of.5'],
  ] as const) {
    it(`is ${name} for ${given}`, () => {
      expect(parseOptions({ ...minimal, name: given }, {}).name).to.equal(name);
    });
  }

  it('is missing where a path ends with a folder', () => {
    expect(refusal(() => parseOptions({ ...minimal, name: '/app/' }, {})).reason).to.include(
      'name is missing',
    );
  });
});

describe('table names', () => {
  const good: [string, string | undefined, string][] = [
    ['posts', undefined, 'posts'],
    ['userPosts', undefined, 'userPosts'],
    ['app.posts', 'app', 'posts'],
    ['"My.Table"', undefined, 'My.Table'],
    ['app."Po""sts"', 'app', 'Po"sts'],
    ['with space', undefined, 'with space'],
    ['"new\nline"', undefined, 'new\nline'],
  ];
  for (const [written, schema, name] of good) {
    it(`read ${JSON.stringify(written)}`, () => {
      expect(parseTableName(written)).to.deep.equal({ written, schema, name });
    });
  }

  for (const written of ['', '.', 'a.', '.a', 'a.b.c', '"a', 'a"b', '""', '"a"b', 'nul\0']) {
    it(`refuse ${JSON.stringify(written)}`, () => {
      expect(refusal(() => parseTableName(written)).code).to.equal('bad-options');
    });
  }

  it('are quoted whatever they contain', () => {
    expect(quoteName('a"; drop table b; --')).to.equal('"a""; drop table b; --"');
  });
});

describe('approvals', () => {
  it('are parsed with and without a fingerprint', () => {
    const approvals = readApprovals({ APPROVED_DROPS: ' a, b@0123456789ab ,,', APPROVED_BY: 'Ada' });
    const rest = { by: 'Ada', note: null, at: null, source: 'APPROVED_DROPS' };
    expect([...approvals.values()]).to.deep.equal([
      { table: 'a', fingerprint: undefined, ...rest },
      { table: 'b', fingerprint: '0123456789ab', ...rest },
    ]);
  });

  for (const text of ['a@', '@0123456789ab', 'a@xyz', 'a@0123']) {
    it(`refuse ${text}`, () => {
      expect(refusal(() => readApprovals({ APPROVED_DROPS: text })).code).to.equal('bad-options');
    });
  }

  it('for tables that no migration drops are refused', () => {
    const error = refusal(() => checkApprovals(['a', 'b'], { APPROVED_DROPS: 'a,organisations' }));
    expect(error.code).to.equal('bad-options');
    expect(error.message).to.contain('organisations');
    expect(error.reason).to.contain('a, b');
  });
});
