import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Ddl } from './ddl.ts';
import { findSeparator, scripted, scriptHead } from './script.ts';
import { writeNewFile } from './write-new-file.ts';

/** Raised when older programs can no longer read such a file. */
const format = 1;

// No name of an object may stand in a comment: one with a line break in it would end the comment (CVE-2025-8715).
const words = `-- Structure only, no rows. One transaction: all of it or nothing.
-- Run it with: psql -v ON_ERROR_STOP=1 -f <this file>
-- or, where the archive should know of it: undrop restore --from-ddl <this file>
`;

const leftOut = `-- Its tables were not empty: their rows are in the archive, and come back with the migration's rollback only. While the
-- archive waits for that, restore --from-ddl refuses to make the tables without them.
`;

/** The statements as a script for psql, which `openScript` can take apart again. */
export function formatDdl({ statements, withoutRows }: Pick<Ddl, 'statements' | 'withoutRows'>): string {
  const parts = statements.map(({ sql }) => scripted(sql));
  const separator = findSeparator(parts);
  const head = scriptHead(`${words}${withoutRows.length === 0 ? '' : leftOut}`);
  const rest = `${[head, ...parts, 'commit;'].join(`\n${separator}\n`)}\n`;
  return firstLine(format, separator, createHash('sha256').update(rest).digest('hex')) + rest;
}

/** What a script begins with, and `openScript` goes by. */
export function firstLine(format: number, separator: string, sha256: string): string {
  return `-- undrop ddl, format ${format}, separator ${separator}, sha256 ${sha256}\n`;
}

/**
 * Writes the script into a folder, which is made where it is missing; gives the path.
 *
 * @throws UndropError `name-taken` where the file is there, unless forced; `bad-options` where it cannot be written
 */
export async function writeDdl(ddl: Ddl, folder: string, force: boolean): Promise<string> {
  const [first = 'tables', ...others] = ddl.tables;
  const name = ddl.migration ?? (others.length === 0 ? first : `${first}_and_${others.length}_more`);
  const file = join(folder, fileName(name));
  await writeNewFile(file, formatDdl(ddl), force, 'It may be the only copy of what it holds.');
  return file;
}

/** Whatever it is called, the file stays in its folder and is not hidden there. */
export function fileName(name: string): string {
  const safe = name.replaceAll(/[^A-Za-z0-9_.-]+/g, '_').replace(/^[.-]+/, '_');
  return `${safe.slice(0, 150) || 'tables'}.sql`;
}
