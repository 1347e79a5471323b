import { readFile } from 'node:fs/promises';
import { UndropError } from '../errors.ts';
import { parseTableName } from '../options/table-name.ts';

/** What people decided about a table, with the reason. */
export interface Decision {
  readonly decision: 'keep' | 'drop';
  readonly reason: string;
  readonly by: string | null;
  /** A date or time, as written in the file. */
  readonly when: string | null;
}

/** A decision with the name of its table. */
export interface Decided extends Decision {
  /** The name as the file writes it. */
  readonly written: string;
  /** Undefined if the search path decides. */
  readonly schema: string | undefined;
  readonly name: string;
}

/**
 * Reads `decisions.json`: `{ "human_tasks": { "decision": "keep", "reason": "…", "by": "…", "when": "2025-11-24" } }`.
 * Returns an empty array if the file does not exist and is not required.
 *
 * @throws UndropError `bad-options`, with all mistakes in the file
 */
export async function readDecisions(file: string, required: boolean): Promise<Decided[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !required) return [];
    throw unusable(file, [(error as Error).message]);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw unusable(file, [`It is not JSON: ${(error as Error).message}`]);
  }
  if (!isRecord(parsed)) throw unusable(file, ['It is not a JSON object with table names as keys.']);
  const problems: string[] = [];
  const decided = Object.entries(parsed).flatMap(([written, value]) => parse(written, value, problems));
  if (problems.length > 0) throw unusable(file, problems);
  return decided;
}

function parse(written: string, value: unknown, problems: string[]): Decided[] {
  const about = JSON.stringify(written);
  if (!isRecord(value)) {
    problems.push(`${about}: the value is not an object with decision and reason`);
    return [];
  }
  const { decision, reason, by, when, ...rest } = value;
  const before = problems.length;
  if (decision !== 'keep' && decision !== 'drop')
    problems.push(`${about}: decision must be "keep" or "drop"`);
  if (typeof reason !== 'string' || reason.trim() === '')
    problems.push(`${about}: reason is missing or empty`);
  for (const [key, text] of Object.entries({ by, when }))
    if (text !== undefined && typeof text !== 'string') problems.push(`${about}: ${key} must be a string`);
  if (Object.keys(rest).length > 0) problems.push(`${about}: unknown key ${Object.keys(rest).join(', ')}`);
  try {
    const { schema, name } = parseTableName(written);
    if (problems.length > before) return [];
    const optional = { by: (by as string | undefined) ?? null, when: (when as string | undefined) ?? null };
    return [
      {
        written,
        schema,
        name,
        decision: decision as Decision['decision'],
        reason: reason as string,
        ...optional,
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
    message: `The decisions file ${file} cannot be used.`,
    reason: problems.join('\n'),
    next: 'Correct the file: each table needs a decision ("keep" or "drop") and a reason; by and when are optional.',
  });
}
