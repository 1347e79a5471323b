import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, populate } from 'dotenv';
import { UndropError } from '../errors.ts';
import { projectFolder } from '../text/project-folder.ts';

/** The path of `.env`, in the project folder. */
export function envFile(from?: string): string {
  return join(projectFolder(from), '.env');
}

/**
 * Adds the variables in `.env` of the project folder to the environment. Variables that are already set keep their values.
 *
 * @throws UndropError `bad-options` if the file exists and any part of it cannot be read. dotenv skips lines that it cannot
 * parse, and without DATABASE_URL another database would be used
 */
export function loadEnv(from?: string): void {
  const path = envFile(from);
  const file = readFile(path);
  if (file === undefined) return;
  checkEncoding(path, file);
  const text = file.toString('utf8').replaceAll(/\r\n?/g, '\n');
  checkAssignments(path, text);
  populate(process.env, parse(text));
}

function readFile(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unreadable(path, {
      reason: error instanceof Error ? error.message : String(error),
      next: 'Correct the permissions of the file, or remove it.',
      cause: error,
    });
  }
}

function checkEncoding(path: string, file: Buffer): void {
  const next = 'Save it in UTF-8, without a byte order mark.';
  const start = file.toString('latin1', 0, 3);
  if (/^(\xef\xbb\xbf|\xff\xfe|\xfe\xff)/.test(start))
    throw unreadable(path, { reason: 'Line 1 begins with a byte order mark.', next });
  const lines = file.toString('latin1').split('\n');
  const bad = lines.findIndex((line) => line.includes('\0') || !isUtf8(Buffer.from(line, 'latin1')));
  if (bad >= 0) throw unreadable(path, { reason: `Line ${bad + 1} is not text in UTF-8.`, next });
}

/** An assignment as dotenv parses it, whose quoted value may span lines; or a comment, or a blank line. */
const statement =
  /[ \t]*(?:(?:export[ \t]+)?[\w.-]+[ \t]*=[ \t]*(?:'(?:\\'|[^'])*'|"(?:\\"|[^"])*"|`(?:\\`|[^`])*`|[^\s#'"`][^#\n]*)?[ \t]*)?(?:#.*)?(?:\n|$)/y;

/** A line within quotes that looks like an assignment: most likely, the closing quote was forgotten. */
const swallowed = /\n[ \t]*(?:export[ \t]+)?[\w.-]+[ \t]*=(?![=\s]|$)/;

function checkAssignments(path: string, text: string): void {
  for (let end = 0; end < text.length; end = statement.lastIndex) {
    statement.lastIndex = end;
    const [found] = statement.exec(text) ?? [];
    const line = `Line ${text.slice(0, end).split('\n').length}`;
    if (found === undefined)
      throw unreadable(path, {
        reason: `${line} is neither an assignment nor a comment.`,
        next: `Write NAME=value, or NAME='value' if the value contains quotes or #, or begins or ends with a space.`,
      });
    if (swallowed.test(found))
      throw unreadable(path, {
        reason: `${line} opens a quote that is not closed before the next assignment.`,
        next: 'Close the quote, or write the value in double quotes with \\n for each line break.',
      });
  }
}

function unreadable(
  path: string,
  { reason, next, cause }: { reason: string; next: string; cause?: unknown },
): UndropError {
  return new UndropError('bad-options', {
    subject: path,
    message: `${path} cannot be read.`,
    reason,
    next,
    cause,
  });
}
