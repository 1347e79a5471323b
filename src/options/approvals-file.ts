import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UndropError } from '../errors.ts';
import { isStorable } from '../text/printable.ts';
import { projectFolder } from '../text/project-folder.ts';

/** An approval in `approvals.json`, which holds only for one state of the table. */
export interface KeptInFile {
  readonly fingerprint: string;
  readonly by: string | null;
  readonly note: string | null;
  /** When it was given, ISO 8601. */
  readonly at: string;
}

/** The path of `approvals.json`. */
export function approvalsFile(root: string = projectFolder()): string {
  return join(root, 'approvals.json');
}

/**
 * Reads `approvals.json`, which `undrop approve` writes: approvals by table, as the migration writes it. Returns an
 * empty object if the file does not exist.
 *
 * @throws UndropError `bad-options`, with all mistakes in the file
 */
export function readApprovalsFile(file: string): Readonly<Record<string, KeptInFile>> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw unusable(file, [(error as Error).message]);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw unusable(file, [`It is not JSON: ${(error as Error).message}`]);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw unusable(file, ['It is not a JSON object with table names as keys.']);
  const problems = Object.entries(parsed).flatMap(([table, value]) => mistakes(table, Object(value)));
  if (problems.length > 0) throw unusable(file, problems);
  return parsed as Record<string, KeptInFile>;
}

function mistakes(table: string, { fingerprint, by, note, at, ...rest }: Record<string, unknown>): string[] {
  const about = JSON.stringify(table);
  return [
    ...(isText(fingerprint) && /^[0-9a-f]{8,12}$/.test(fingerprint)
      ? []
      : [`${about}: fingerprint must be 8 to 12 hexadecimal digits`]),
    ...(isText(at) && !Number.isNaN(Date.parse(at)) ? [] : [`${about}: at must be a time`]),
    ...(by === null || isText(by) ? [] : [`${about}: by must be a string or null`]),
    ...(note === null || isText(note) ? [] : [`${about}: note must be a string or null`]),
    ...Object.keys(rest).map((key) => `${about}: unknown key ${key}`),
  ];
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && isStorable(value);
}

function unusable(file: string, problems: readonly string[]): UndropError {
  return new UndropError('bad-options', {
    subject: file,
    message: `The approvals file ${file} cannot be used.`,
    reason: problems.join('\n'),
    next: 'Write it with undrop approve --from and a proposal, or remove it.',
  });
}
