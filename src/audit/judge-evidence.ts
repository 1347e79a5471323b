import { join } from 'node:path';
import { type Audit, auditEvidence, type Evidence } from './audit.ts';
import { searchCode } from './code/search.ts';
import { readDecisions } from './decisions.ts';

export interface JudgeOptions {
  /** The project folder. By default `decisions.json` is read from it. */
  readonly root: string;
  /** Another file of decisions; it must exist. */
  readonly decisions?: string | undefined;
  /** Folders and files of code to search. Default: none. */
  readonly code?: readonly string[] | undefined;
  /** The schemas to judge. Default: all. */
  readonly schemas?: readonly string[] | undefined;
}

/**
 * Reads the decisions, searches the code, and judges all tables.
 *
 * @throws UndropError `bad-options` if the decisions or the code cannot be read
 */
export async function judgeEvidence(
  evidence: Evidence,
  { root, decisions, code = [], schemas }: JudgeOptions,
): Promise<Audit> {
  const decided = await readDecisions(decisions ?? join(root, 'decisions.json'), decisions !== undefined);
  const search = code.length === 0 ? null : await searchCode(code, evidence.tables, evidence.relations);
  return auditEvidence(evidence, decided, search, schemas);
}
