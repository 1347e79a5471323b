import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { UndropError } from '../../errors.ts';
import { type Ignore, parseIgnore } from './ignore.ts';

/** Folders without code of the project. */
const skipped = new Set(['.git', '.hg', '.svn', 'node_modules', '.undrop']);

/** The files below a root, and the folders that could not be read. */
export interface Found {
  readonly files: string[];
  /** Each with the reason. */
  readonly unread: string[];
}

/**
 * Returns every regular file below the root, or the root itself if it is a file. Files that `.gitignore` excludes are
 * left out. Links are not followed, because they can form cycles.
 *
 * @throws UndropError `bad-options` if the root does not exist
 */
export function walk(root: string): Found {
  const found: Found = { files: [], unread: [] };
  let real: string;
  try {
    real = realpathSync(root);
    if (lstatSync(real).isFile()) return { files: [root], unread: [] };
  } catch (error) {
    throw unreadableRoot(root, error);
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

/** The last matching pattern decides. Patterns of an inner folder come after those of an outer folder. */
function isIgnored(path: string, isFolder: boolean, ignores: readonly Ignore[]): boolean {
  for (const { folder, decide } of ignores.toReversed()) {
    const decided = decide(relative(folder, path).replaceAll('\\', '/'), isFolder);
    if (decided !== undefined) return decided;
  }
  return false;
}

/** Reads the `.gitignore` files from the top of the repository down to the folder. */
function ignoresAbove(folder: string): Ignore[] {
  const above: string[] = [];
  for (let at = folder; !existsSync(join(at, '.git')); at = dirname(at)) {
    if (dirname(at) === at) return [];
    above.unshift(dirname(at));
  }
  return above.flatMap((parent) => readIgnore(parent) ?? []);
}

function readIgnore(folder: string): Ignore | undefined {
  try {
    return parseIgnore(folder, readFileSync(join(folder, '.gitignore'), 'utf8'));
  } catch {
    // A .gitignore that cannot be read excludes nothing, so that more is searched rather than less.
    return undefined;
  }
}

function unreadableRoot(root: string, cause: unknown): UndropError {
  return new UndropError('bad-options', {
    subject: root,
    message: `The code in ${root} cannot be searched.`,
    reason: (cause as Error).message,
    next: 'Correct --code or CODE_ROOTS: tables named only in code that is not searched would look unused.',
    cause,
  });
}
