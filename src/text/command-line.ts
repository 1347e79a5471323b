import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from './project-folder.ts';
import { readPackage } from './read-package.ts';

/** How to run a command of this program from here: `npm run` in a checkout of it, `npx` in a project that uses it. */
export function commandLine(name: string, args = '', root = projectFolder()): string {
  const [npm, npx] = args === '' ? [name, name] : [`${name} -- ${args}`, `${name} ${args}`];
  return isCheckout(root) ? `npm run ${npm}` : `npx undrop ${npx}`;
}

// A deployed build has the package.json, whose scripts need the sources.
function isCheckout(root: string): boolean {
  return existsSync(join(root, 'scripts')) && readPackage(root).name === 'knex-undrop';
}
