import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** The nearest folder with a package.json: from a subfolder or a build in `dist`, that of the project. */
export function projectFolder(from: string = process.cwd()): string {
  let folder = resolve(from);
  while (!existsSync(join(folder, 'package.json'))) {
    if (dirname(folder) === folder) return resolve(from);
    folder = dirname(folder);
  }
  return folder;
}
