import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Returns the folder of this package; undefined if its code is part of a bundle. */
export function packageFolder(): string | undefined {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const name = nameOf(folder);
    if (name !== undefined) return name === 'knex-undrop' ? folder : undefined;
    if (dirname(folder) === folder) return undefined;
  }
}

function nameOf(folder: string): string | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).name;
  } catch {
    return undefined;
  }
}
