import { expect } from 'chai';
import type { Decision } from '../src/audit/decisions.ts';
import type { Rule, RuleName } from '../src/audit/ghost-rules.ts';
import { judge } from '../src/audit/verdict.ts';

const holding: Readonly<Record<RuleName, boolean | null>> = {
  empty: true,
  unreferenced: true,
  'not-in-code': true,
  'vanished-name': false,
  superseded: false,
  'not-written': true,
};

const rules = (changed: Partial<typeof holding> = {}): Rule[] =>
  Object.entries({ ...holding, ...changed }).map(([rule, holds]) => ({
    rule: rule as RuleName,
    holds,
    found: `found of ${rule}`,
  }));

const decision = (what: Decision['decision']): Decision => ({
  decision: what,
  reason: 'because',
  by: 'Ann',
  when: '2026-01-02',
});

const obsolete = { 'vanished-name': true } as const;

describe('the verdict on a table', () => {
  const expectVerdict = (
    found: ReturnType<typeof judge>,
    verdict: ReturnType<typeof judge>['verdict'],
    why: string,
  ) => expect(found).to.deep.equal({ verdict, why });

  for (const rule of ['empty', 'unreferenced', 'not-in-code'] as const) {
    it(`is keep if the rule ${rule} fails, whatever else is known`, () => {
      const found = judge(rules({ ...obsolete, [rule]: false }), decision('drop'), null);
      expectVerdict(found, 'keep', `found of ${rule}`);
    });
  }

  it('is keep if it is unknown whether the table is empty, but not if it is unknown whether code names it', () => {
    expectVerdict(judge(rules({ ...obsolete, empty: null }), undefined, null), 'keep', 'found of empty');
    const unread = judge(rules({ ...obsolete, 'not-in-code': null }), undefined, null);
    expectVerdict(unread, 'ask', 'found of vanished-name; but found of not-in-code');
  });

  it('is keep with all reasons, for a table of an extension too', () => {
    const found = judge(rules({ empty: false, unreferenced: false }), undefined, 'postgis');
    expectVerdict(found, 'keep', 'found of empty; found of unreferenced; it belongs to extension postgis');
  });

  it('follows a decision', () => {
    const decided = (what: Decision['decision']) => judge(rules(obsolete), decision(what), null);
    expectVerdict(decided('keep'), 'keep', 'because (Ann, 2026-01-02)');
    expectVerdict(decided('drop'), 'candidate', 'because (Ann, 2026-01-02)');
    const anonymous = judge(rules(), { ...decision('keep'), by: null, when: null }, null);
    expectVerdict(anonymous, 'keep', 'because');
    expectVerdict(judge(rules(), { ...decision('keep'), by: null }, null), 'keep', 'because (2026-01-02)');
  });

  it('is ask without further evidence', () => {
    expectVerdict(judge(rules(), undefined, null), 'ask', 'empty and unreferenced; no further evidence');
    expectVerdict(judge([], undefined, null), 'ask', 'empty and unreferenced; no further evidence');
  });

  it('is candidate with all signs that the table is obsolete', () => {
    const found = judge(rules({ ...obsolete, superseded: true, 'not-written': null }), undefined, null);
    expectVerdict(found, 'candidate', 'found of vanished-name; found of superseded');
    const one = rules(obsolete).filter(({ rule }) => rule === 'vanished-name');
    expectVerdict(judge(one, undefined, null), 'candidate', 'found of vanished-name');
  });

  it('is ask if rows were written to the table', () => {
    const found = judge(rules({ superseded: true, 'not-written': false }), undefined, null);
    expectVerdict(found, 'ask', 'found of superseded; but found of not-written');
  });

  it('is ask if some of the references could not be read, or the only sign is weak', () => {
    const unread = judge(rules({ ...obsolete, unreferenced: null }), undefined, null);
    expectVerdict(unread, 'ask', 'found of vanished-name; but found of unreferenced');
    const weak = rules(obsolete).map((rule) => ({ ...rule, weak: true }));
    expectVerdict(
      judge(weak, undefined, null),
      'ask',
      'found of vanished-name; but that is only a weak sign',
    );
    const oneWeak = rules({ ...obsolete, superseded: true }).map((rule) =>
      rule.rule === 'superseded' ? { ...rule, weak: true } : rule,
    );
    expectVerdict(
      judge(oneWeak, undefined, null),
      'candidate',
      'found of vanished-name; found of superseded',
    );
    const doubted = rules({ ...obsolete, unreferenced: null, 'not-in-code': null });
    expectVerdict(
      judge(doubted, undefined, null),
      'ask',
      'found of vanished-name; but found of unreferenced; found of not-in-code',
    );
  });
});
