import type { Decision } from './decisions.ts';
import type { Rule, RuleName } from './ghost-rules.ts';

export type Verdict = 'keep' | 'candidate' | 'ask';

/** What follows from the rules, and why, in words. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly why: string;
}

/**
 * - **keep**: not shown to be empty, or something refers to it, or people decided so;
 * - **candidate**: empty, nothing refers to it, and what it was made for has vanished or been superseded, or people
 *   decided to drop it;
 * - **ask**: empty and nothing refers to it, and that is all; also where rows were written lately, or where a part of
 *   the code could not be read.
 */
export function judge(
  rules: readonly Rule[],
  decision: Decision | undefined,
  extension: string | null,
  codeComplete: boolean,
): Judgement {
  const rule = (name: RuleName) => rules.find((one) => one.rule === name);
  const against = (['empty', 'unreferenced', 'not-in-code'] as const).flatMap((name) => {
    const one = rule(name);
    const fails = name === 'empty' ? one?.holds !== true : one?.holds === false;
    return one !== undefined && fails ? [one.found] : [];
  });
  if (extension !== null) against.push(`the extension ${extension} owns it`);
  if (against.length > 0) return { verdict: 'keep', why: against.join('; ') };
  if (decision?.decision === 'keep') return { verdict: 'keep', why: describeDecision(decision) };
  if (decision?.decision === 'drop') return { verdict: 'candidate', why: describeDecision(decision) };

  const signs = [rule('vanished-name'), rule('superseded')].filter((one) => one?.holds === true);
  if (signs.length === 0)
    return { verdict: 'ask', why: 'empty and unreferenced, and no more is known of it' };
  const why = signs.map((one) => one?.found).join('; ');
  const written = rule('not-written');
  if (written?.holds === false) return { verdict: 'ask', why: `${why}; but ${written.found}` };
  if (!codeComplete) return { verdict: 'ask', why: `${why}; but not all code could be read` };
  return { verdict: 'candidate', why };
}

function describeDecision({ reason, by, when }: Decision): string {
  const who = [by, when].filter((word) => word !== null).join(', ');
  return `${reason}${who === '' ? '' : ` (${who})`}`;
}
