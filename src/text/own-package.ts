import { dirname } from 'node:path';
import { readPackage } from './read-package.ts';

/** The folder and the version of this package; undefined if its code is part of a bundle. */
export function ownPackage(): { folder: string; version: string } | undefined {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const { name, version } = readPackage(folder);
    if (name !== undefined) return name === 'knex-undrop' ? { folder, version: String(version) } : undefined;
    if (dirname(folder) === folder) return undefined;
  }
}
