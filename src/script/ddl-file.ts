import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Ddl } from './ddl.ts';
import { findSeparator, scripted, scriptHead } from './script.ts';
import { writeNewFile } from './write-new-file.ts';

/** To be raised when older versions can no longer read the file. */
const format = 1;

// The comments hold no object names: a name with a line break would end the comment (CVE-2025-8715).
const intro = `-- Structure only, no rows. Runs in one transaction.
-- Run it with: psql -v ON_ERROR_STOP=1 -f <this file>
-- or, to close the open entry of the archive as well: undrop restore --from-ddl <this file>
`;

const withoutRowsNote = `-- The tables were not empty. Their rows are in the archive, and only the rollback of the migration restores them. While the
-- entry is open, restore --from-ddl refuses to create the tables without their rows.
`;

/** The statements as a script for psql, which `readScript` can parse. */
export function formatDdl({ statements, withoutRows }: Pick<Ddl, 'statements' | 'withoutRows'>): string {
  const parts = statements.map(({ sql }) => scripted(sql));
  const separator = findSeparator(parts);
  const head = scriptHead(`${intro}${withoutRows.length === 0 ? '' : withoutRowsNote}`);
  const rest = `${[head, ...parts, 'commit;'].join(`\n${separator}\n`)}\n`;
  return firstLine(format, separator, createHash('sha256').update(rest).digest('hex')) + rest;
}

/** The first line of a script, which `readScript` parses. */
export function firstLine(format: number, separator: string, sha256: string): string {
  return `-- undrop ddl, format ${format}, separator ${separator}, sha256 ${sha256}\n`;
}

/**
 * Writes the script into a folder, which is created where it does not exist.
 *
 * @returns the path of the file
 * @throws UndropError `name-taken` where the file exists, unless forced; `bad-options` where it cannot be written
 */
export async function writeDdl(ddl: Ddl, folder: string, force: boolean): Promise<string> {
  const [first = 'tables', ...others] = ddl.tables;
  const name = ddl.migration ?? (others.length === 0 ? first : `${first}_and_${others.length}_more`);
  const file = join(folder, fileName(name));
  await writeNewFile(file, formatDdl(ddl), force, 'It may be the only copy of its contents.');
  return file;
}

/** A file name without path separators, and without a leading dot or dash. */
export function fileName(name: string): string {
  const safe = name.replaceAll(/[^A-Za-z0-9_.-]+/g, '_').replace(/^[.-]+/, '_');
  return `${safe.slice(0, 150) || 'tables'}.sql`;
}
