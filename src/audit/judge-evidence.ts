import { join } from 'node:path';
import { type Audit, auditEvidence, type Evidence } from './audit.ts';
import { searchCode } from './code/search.ts';
import { readDecisions } from './decisions.ts';

export interface JudgeOptions {
  /** Of the project: `decisions.json` is in it. */
  readonly root: string;
  /** Instead of that file. */
  readonly decisions?: string | undefined;
  /** Folders and files of code. Default: none. */
  readonly code?: readonly string[] | undefined;
  /** Default: all. */
  readonly schemas?: readonly string[] | undefined;
}

/**
 * Judges with what was decided by people and what the code names.
 *
 * @throws UndropError `bad-options` for decisions or code that cannot be read
 */
export async function judgeEvidence(
  evidence: Evidence,
  { root, decisions, code = [], schemas }: JudgeOptions,
): Promise<Audit> {
  const decided = await readDecisions(decisions ?? join(root, 'decisions.json'), decisions !== undefined);
  const search = code.length === 0 ? null : await searchCode(code, evidence.tables, evidence.relations);
  return auditEvidence(evidence, decided, search, schemas);
}
