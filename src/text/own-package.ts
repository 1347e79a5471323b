import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder and the version of this package; undefined if its code is part of a bundle. */
export function ownPackage(): { folder: string; version: string } | undefined {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const { name, version } = readPackage(folder);
    if (name !== undefined) return name === 'knex-undrop' ? { folder, version: String(version) } : undefined;
    if (dirname(folder) === folder) return undefined;
  }
}

function readPackage(folder: string): { name?: unknown; version?: unknown } {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  } catch {
    return {};
  }
}
