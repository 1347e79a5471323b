import type { Decision } from './decisions.ts';
import type { Rule, RuleName } from './ghost-rules.ts';

export type Verdict = 'keep' | 'candidate' | 'ask';

/** The verdict on a table, with the reason in words. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly why: string;
}

/**
 * Derives the verdict from the rules and the decision:
 *
 * - **keep**: the table has rows or may have rows, is referenced, belongs to an extension, or a decision keeps it;
 * - **candidate**: the table is empty, unreferenced and not in the code, and it looks obsolete; or it is empty and
 *   unreferenced, and a decision drops it;
 * - **ask**: the table is empty and unreferenced, without further evidence. Also a table that looks obsolete, if the
 *   sign is weak, rows were written to it, or some references or some of the code could not be read.
 */
export function judge(
  rules: readonly Rule[],
  decision: Decision | undefined,
  extension: string | null,
): Judgement {
  const rule = (name: RuleName) => rules.find((result) => result.rule === name);
  const against = (['empty', 'unreferenced', 'not-in-code'] as const).flatMap((name) => {
    const result = rule(name);
    const fails = name === 'empty' ? result?.holds !== true : result?.holds === false;
    return result !== undefined && fails ? [result.found] : [];
  });
  if (extension !== null) against.push(`it belongs to extension ${extension}`);
  if (against.length > 0) return { verdict: 'keep', why: against.join('; ') };
  if (decision?.decision === 'keep') return { verdict: 'keep', why: describeDecision(decision) };
  if (decision?.decision === 'drop') return { verdict: 'candidate', why: describeDecision(decision) };

  const signs = rules.filter(
    (result) => ['vanished-name', 'superseded'].includes(result.rule) && result.holds === true,
  );
  if (signs.length === 0) return { verdict: 'ask', why: 'empty and unreferenced; no further evidence' };
  const why = signs.map(({ found }) => found).join('; ');
  const doubts = [
    ...(signs.every(({ weak }) => weak) ? ['that is only a weak sign'] : []),
    ...(['unreferenced', 'not-in-code', 'not-written'] as const).flatMap((name) => {
      const result = rule(name);
      const doubtful = name === 'not-written' ? result?.holds === false : result?.holds !== true;
      return result !== undefined && doubtful ? [result.found] : [];
    }),
  ];
  if (doubts.length > 0) return { verdict: 'ask', why: `${why}; but ${doubts.join('; ')}` };
  return { verdict: 'candidate', why };
}

function describeDecision({ reason, by, when }: Decision): string {
  const who = [by, when].filter((word) => word !== null).join(', ');
  return `${reason}${who === '' ? '' : ` (${who})`}`;
}
