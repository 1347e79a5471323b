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
 * - **candidate**: the table is empty and unreferenced, and it looks obsolete or a decision drops it;
 * - **ask**: the table is empty and unreferenced, without further evidence. Also a table that looks obsolete, if rows
 *   were written to it or some of the code could not be read.
 */
export function judge(
  rules: readonly Rule[],
  decision: Decision | undefined,
  extension: string | null,
  codeComplete: boolean,
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

  const signs = [rule('vanished-name'), rule('superseded')].filter((sign) => sign?.holds === true);
  if (signs.length === 0) return { verdict: 'ask', why: 'empty and unreferenced; no further evidence' };
  const why = signs.map((sign) => sign?.found).join('; ');
  const written = rule('not-written');
  if (written?.holds === false) return { verdict: 'ask', why: `${why}; but ${written.found}` };
  if (!codeComplete) return { verdict: 'ask', why: `${why}; but not all code could be read` };
  return { verdict: 'candidate', why };
}

function describeDecision({ reason, by, when }: Decision): string {
  const who = [by, when].filter((word) => word !== null).join(', ');
  return `${reason}${who === '' ? '' : ` (${who})`}`;
}
