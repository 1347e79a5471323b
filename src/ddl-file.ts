import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Ddl } from './ddl.ts';
import { UndropError } from './errors.ts';
import { pins } from './session.ts';

/** Raised when older programs can no longer read such a file. */
const format = 1;

const firstLine = /^-- undrop ddl, format (\d+), separator (-{2,}), sha256 ([0-9a-f]{64})\n/;

// No name of an object may stand in a comment: one with a line break in it would end the comment (CVE-2025-8715).
const words = `-- Structure only, no rows. One transaction: all of it or nothing.
-- Run it with: psql -v ON_ERROR_STOP=1 -f <this file>
-- or, where the archive should know of it: undrop restore --from-ddl <this file>
`;

const leftOut = `-- Its tables were not empty: their rows are in the archive, and come back with the migration's rollback only.
`;

/** The statements as a script for psql, which `parseDdl` can take apart again. */
export function formatDdl({ statements, withoutRows }: Pick<Ddl, 'statements' | 'withoutRows'>): string {
  const parts = statements.map(({ sql }) => `${sql};`);
  const separator = findSeparator(parts);
  const settings = Object.entries({ client_encoding: 'UTF8', ...pins }).map(
    ([name, value]) => `set local ${name} = ${value.split(', ').map(literal).join(', ')};\n`,
  );
  const begin = `${words}${withoutRows.length === 0 ? '' : leftOut}begin;\n${settings.join('')}`.trimEnd();
  const rest = `${[begin, ...parts, 'commit;'].join(`\n${separator}\n`)}\n`;
  return `-- undrop ddl, format ${format}, separator ${separator}, sha256 ${sha256(rest)}\n${rest}`;
}

/**
 * The statements of such a script, without its settings and its transaction.
 *
 * @throws UndropError `bad-options` where it is something else, was changed, or is of a newer format
 */
export function parseDdl(text: string, file: string): string[] {
  const head = firstLine.exec(text);
  if (head === null) {
    throw unusable(
      file,
      'It does not begin with the line that undrop ddl writes.',
      'Run it with psql instead.',
    );
  }
  const [line, version, separator, checksum] = head;
  if (Number(version) > format) {
    throw unusable(file, `Its format is ${version}, newer than ${format}.`, 'Use a newer knex-undrop.');
  }
  const rest = text.slice(line.length);
  if (sha256(rest) !== checksum) {
    throw unusable(
      file,
      'It was changed, or cut off, since undrop ddl wrote it; Git or an editor may have changed its line ends.',
      'Fetch it again as it was. What was changed on purpose can be run with psql.',
    );
  }
  return rest.split(`\n${separator}\n`).slice(1, -1);
}

/**
 * Writes the script into a folder, which is made where it is missing; gives the path.
 *
 * @throws UndropError `name-taken` where the file is there, unless forced; `bad-options` where it cannot be written
 */
export async function writeDdl(ddl: Ddl, folder: string, force: boolean): Promise<string> {
  const file = join(folder, fileName(ddl));
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(file, formatDdl(ddl), { flag: force ? 'w' : 'wx' });
    return file;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && !force) {
      throw new UndropError('name-taken', {
        subject: file,
        message: `${file} is there already.`,
        reason: 'It may be the only copy of what it holds.',
        next: 'Choose another folder, or overwrite it with --force.',
        cause: error,
      });
    }
    throw new UndropError('bad-options', {
      subject: file,
      message: `${file} cannot be written.`,
      reason: message,
      next: 'Correct --out, or the rights on that folder.',
      cause: error,
    });
  }
}

/** @throws UndropError `bad-options` where it cannot be read */
export async function readDdl(file: string): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw unusable(file, (error as Error).message, 'Correct the path.');
  }
  return parseDdl(text, file);
}

function fileName({ migration, tables }: Ddl): string {
  const [first = 'tables', ...others] = tables;
  const name = migration ?? (others.length === 0 ? first : `${first}_and_${others.length}_more`);
  // Whatever a table is called, the file stays in its folder and is not hidden there.
  const safe = name.replaceAll(/[^A-Za-z0-9_.-]+/g, '_').replace(/^[.-]+/, '_');
  return `${safe.slice(0, 150) || 'tables'}.sql`;
}

/** A comment line that stands in no statement. */
function findSeparator(parts: readonly string[]): string {
  let separator = '--';
  while (parts.some((part) => part.includes(`\n${separator}\n`))) separator += '-';
  return separator;
}

function literal(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function unusable(file: string, reason: string, next: string): UndropError {
  return new UndropError('bad-options', {
    subject: file,
    message: `${file} cannot be replayed.`,
    reason,
    next,
  });
}
