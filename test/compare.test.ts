import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { digestOf } from '../src/archive/seal.ts';
import type { Statement } from '../src/capture/capture.ts';
import { Comparison, compareFacts, describeDifferences } from '../src/capture/compare.ts';
import type { Fact } from '../src/catalog/facts/facts.ts';

const fact = (identity: string, columns: Fact['columns'], catalog = 'pg_class'): Fact => ({
  catalog,
  identity,
  columns,
});

describe('the comparison of facts', () => {
  const t = fact('table t', { relkind: 'r', relacl: null });

  it('finds no difference between equal facts in any order', () => {
    const u = fact('table u', { relkind: 'p' });
    expect(compareFacts([t, u], [u, { ...t }])).to.deep.equal([]);
    expect(compareFacts([], [])).to.deep.equal([]);
  });

  it('finds a changed, a removed and an added value', () => {
    const about = { object: 'table t', catalog: 'pg_class' };
    expect(compareFacts([t], [fact('table t', { relkind: 'v', relacl: '{}' })])).to.deep.equal([
      { ...about, column: 'relkind', before: 'r', after: 'v' },
      { ...about, column: 'relacl', before: null, after: '{}' },
    ]);
    expect(compareFacts([t], [fact('table t', { relkind: 'r', relacl: '{}' })])).to.deep.equal([
      { ...about, column: 'relacl', before: null, after: '{}' },
    ]);
    expect(compareFacts([fact('table t', { a: '1', b: '2' })], [fact('table t', { a: '1' })])).to.deep.equal([
      { ...about, column: 'b', before: '2', after: null },
    ]);
    expect(compareFacts([fact('table t', { a: '1' })], [fact('table t', { a: '1', b: '2' })])).to.deep.equal([
      { ...about, column: 'b', before: null, after: '2' },
    ]);
  });

  it('finds a missing and a new object, sorted', () => {
    const whole = JSON.stringify(t.columns);
    expect(compareFacts([t], [fact('table s', { relkind: 'r' })])).to.deep.equal([
      { object: 'table s', catalog: 'pg_class', column: '*', before: null, after: '{"relkind":"r"}' },
      { object: 'table t', catalog: 'pg_class', column: '*', before: whole, after: null },
    ]);
  });

  it('takes rows of one object in two catalogs for two', () => {
    const same = fact('table t', t.columns, 'pg_type');
    expect(compareFacts([t, same], [t])).to.have.length(1);
    expect(compareFacts([t], [t, same])).to.have.length(1);
  });

  it('compares several rows of one object as a set, each of them once', () => {
    const [one, two, three] = ['1', '2', '3'].map((a) => fact('key', { a })) as [Fact, Fact, Fact];
    expect(compareFacts([one, two], [two, one])).to.deep.equal([]);
    const about = { object: 'key', catalog: 'pg_class', column: 'a' };
    expect(compareFacts([one, two], [two, three])).to.deep.equal([{ ...about, before: '1', after: '3' }]);
    expect(compareFacts([one, two], [three, one])).to.deep.equal([{ ...about, before: '2', after: '3' }]);
    expect(compareFacts([one, one], [one])).to.deep.equal([
      { ...about, column: '*', before: '{"a":"1"}', after: null },
    ]);
    expect(compareFacts([one], [one, one])).to.deep.equal([
      { ...about, column: '*', before: null, after: '{"a":"1"}' },
    ]);
  });

  it('takes the second reading in parts', () => {
    const u = fact('table u', {});
    const comparison = new Comparison([t, u]);
    comparison.take([u]);
    comparison.take([t]);
    expect(comparison.differences()).to.deep.equal([]);
  });

  it('is described with a line for each difference, in which long values are cut', () => {
    const about = { object: 'table t', catalog: 'pg_class', column: 'relacl' };
    const lines = describeDifferences([
      { ...about, before: null, after: 'x'.repeat(300) },
      { ...about, before: 'x'.repeat(301), after: '' },
    ]);
    expect(lines.split('\n')).to.deep.equal([
      `table t: pg_class.relacl was nothing, is ${'x'.repeat(300)}`,
      `table t: pg_class.relacl was ${'x'.repeat(300)}…, is `,
    ]);
  });
});

describe('the digest of a capture', () => {
  const statement = { kind: 'table', identity: 't', sql: 'create table t ()' } as Statement;
  const kept = { table: 't', store: 's', count: '1', digest: 'd' };
  const facts = [fact('table t', { a: '1' }), fact('table u', { b: null })];
  const digest = digestOf([statement], facts, [kept]);

  it('is that of the entries that exist', () => {
    expect(digest).to.equal('4f9d33763dc7099820dddb106fe2dfb9a523e2307944478f2b06a6884cacc8d8');
    expect(digestOf([], [], [])).to.equal(createHash('sha256').update('[[],[],[]]').digest('hex'));
    const moved = createHash('sha256')
      .update('[[["table","t","create table t ()",true]],[],[]]')
      .digest('hex');
    expect(digestOf([{ ...statement, moved: true }], [], [])).to.equal(moved);
  });

  it('changes with every value and with the order', () => {
    const others = [
      digestOf([{ ...statement, kind: 'view' }], facts, [kept]),
      digestOf([{ ...statement, identity: 'u' }], facts, [kept]),
      digestOf([{ ...statement, sql: '' }], facts, [kept]),
      digestOf([{ ...statement, moved: true }], facts, [kept]),
      digestOf([{ ...statement, moved: true, sql: '' }], facts, [kept]),
      digestOf([], facts, [kept]),
      digestOf([statement, statement], facts, [kept]),
      digestOf([statement], facts.toReversed(), [kept]),
      digestOf([statement], facts.slice(1), [kept]),
      digestOf([statement], [fact('table t', { a: '2' }), ...facts.slice(1)], [kept]),
      digestOf([statement], facts, []),
      ...Object.keys(kept).map((column) => digestOf([statement], facts, [{ ...kept, [column]: 'other' }])),
    ];
    expect(new Set([digest, ...others])).to.have.length(others.length + 1);
  });
});
