import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { UndropError } from '../../errors.ts';
import { type Ignore, parseIgnore } from './ignore.ts';

/** Folders that hold no code of the project. */
const skipped = new Set(['.git', '.hg', '.svn', 'node_modules', '.undrop']);

/** The files below a root, and what could not be read. */
export interface Found {
  readonly files: string[];
  /** With the reason. */
  readonly unread: string[];
}

/**
 * Every regular file below the root, or the root itself where it is a file: what `.gitignore` files leave out is left
 * out, links are not followed, so that there are no circles.
 *
 * @throws UndropError `bad-options` where there is no such file or folder
 */
export function walk(root: string): Found {
  const found: Found = { files: [], unread: [] };
  let real: string;
  try {
    real = realpathSync(root);
    if (lstatSync(real).isFile()) return { files: [root], unread: [] };
  } catch (error) {
    throw notThere(root, error);
  }
  visit(root.replace(/(?<=.)[/\\]+$/, ''), real, ignoresAbove(real), found);
  return found;
}

function visit(shown: string, folder: string, above: readonly Ignore[], found: Found): void {
  let entries: ReturnType<typeof list>;
  try {
    entries = list(folder);
  } catch (error) {
    found.unread.push(`${shown} could not be read: ${(error as NodeJS.ErrnoException).code}`);
    return;
  }
  const own = entries.some((entry) => entry.name === '.gitignore') ? readIgnore(folder) : undefined;
  const ignores = own === undefined ? above : [...above, own];
  for (const entry of entries) {
    const isFolder = entry.isDirectory();
    if (isFolder ? skipped.has(entry.name) : !entry.isFile()) continue;
    const path = `${folder}${sep}${entry.name}`;
    if (isIgnored(path, isFolder, ignores)) continue;
    const name = `${shown}${sep}${entry.name}`;
    if (isFolder) visit(name, path, ignores, found);
    else found.files.push(name);
  }
}

function list(folder: string) {
  const entries = readdirSync(folder, { withFileTypes: true });
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The last pattern that fits decides; those of an inner folder come after those of an outer one. */
function isIgnored(path: string, isFolder: boolean, ignores: readonly Ignore[]): boolean {
  for (const { folder, decide } of ignores.toReversed()) {
    const decided = decide(relative(folder, path).replaceAll('\\', '/'), isFolder);
    if (decided !== undefined) return decided;
  }
  return false;
}

/** The `.gitignore` files between the top of the repository and the folder. */
function ignoresAbove(folder: string): Ignore[] {
  const above: string[] = [];
  for (let at = folder; !existsSync(join(at, '.git')); at = dirname(at)) {
    if (dirname(at) === at) return [];
    above.unshift(dirname(at));
  }
  return above.flatMap((one) => readIgnore(one) ?? []);
}

function readIgnore(folder: string): Ignore | undefined {
  try {
    return parseIgnore(folder, readFileSync(join(folder, '.gitignore'), 'utf8'));
  } catch {
    // One that cannot be read leaves nothing out: more is searched, not less.
    return undefined;
  }
}

function notThere(root: string, cause: unknown): UndropError {
  return new UndropError('bad-options', {
    subject: root,
    message: `The code in ${root} cannot be searched.`,
    reason: (cause as Error).message,
    next: 'Correct --code or CODE_ROOTS: what is not searched would count as code that names nothing.',
    cause,
  });
}
