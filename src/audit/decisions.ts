import { readFile } from 'node:fs/promises';
import { UndropError } from '../errors.ts';
import { parseTableName } from '../options/table-name.ts';

/** What people have decided about a table, whatever the rules say. */
export interface Decision {
  readonly decision: 'keep' | 'drop';
  readonly reason: string;
  readonly by: string | null;
  /** A date or time, as it was written down. */
  readonly when: string | null;
}

/** By table, as the file writes it; `schema` is undefined where the search path decides. */
export interface Decided extends Decision {
  readonly written: string;
  readonly schema: string | undefined;
  readonly name: string;
}

/**
 * Reads `decisions.json`: `{ "human_tasks": { "decision": "keep", "reason": "…", "by": "…", "when": "2025-11-24" } }`.
 * None where there is no such file, unless it was asked for.
 *
 * @throws UndropError `bad-options` listing all mistakes
 */
export async function readDecisions(file: string, askedFor: boolean): Promise<Decided[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !askedFor) return [];
    throw unusable(file, [(error as Error).message]);
  }
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (error) {
    throw unusable(file, [`It is not JSON: ${(error as Error).message}`]);
  }
  if (!isRecord(given)) throw unusable(file, ['It holds no object of table names.']);
  const problems: string[] = [];
  const decided = Object.entries(given).flatMap(([written, value]) => parse(written, value, problems));
  if (problems.length > 0) throw unusable(file, problems);
  return decided;
}

function parse(written: string, value: unknown, problems: string[]): Decided[] {
  const about = JSON.stringify(written);
  if (!isRecord(value)) {
    problems.push(`${about} has no object with decision and reason`);
    return [];
  }
  const { decision, reason, by, when, ...rest } = value;
  const before = problems.length;
  if (decision !== 'keep' && decision !== 'drop')
    problems.push(`${about}: decision is neither keep nor drop`);
  if (typeof reason !== 'string' || reason.trim() === '') problems.push(`${about}: reason is missing`);
  for (const [key, word] of Object.entries({ by, when }))
    if (word !== undefined && typeof word !== 'string') problems.push(`${about}: ${key} is not a text`);
  if (Object.keys(rest).length > 0) problems.push(`${about}: unknown is ${Object.keys(rest).join(', ')}`);
  try {
    const { schema, name } = parseTableName(written);
    if (problems.length > before) return [];
    const words = { by: (by as string | undefined) ?? null, when: (when as string | undefined) ?? null };
    return [
      {
        written,
        schema,
        name,
        decision: decision as Decision['decision'],
        reason: reason as string,
        ...words,
      },
    ];
  } catch (error) {
    problems.push((error as Error).message);
    return [];
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unusable(file: string, problems: readonly string[]): UndropError {
  return new UndropError('bad-options', {
    subject: file,
    message: `The decisions in ${file} cannot be used.`,
    reason: problems.join('\n'),
    next: 'Correct the file: each table has a decision, keep or drop, and a reason; by and when may be added.',
  });
}
