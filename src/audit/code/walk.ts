import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { UndropError } from '../../errors.ts';
import { IgnoreFiles } from './ignore.ts';

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
  visit(root.replace(/(?<=.)[/\\]+$/, ''), real, ignoredAbove(real), found);
  return found;
}

function visit(shown: string, folder: string, above: IgnoreFiles, found: Found): void {
  let entries: ReturnType<typeof readFolder>;
  try {
    entries = readFolder(folder);
  } catch (error) {
    found.unread.push(`${shown} could not be read: ${(error as NodeJS.ErrnoException).code}`);
    return;
  }
  const ignored = entries.some(({ name }) => name === '.gitignore') ? readIgnore(above, folder) : above;
  for (const entry of entries) {
    const isFolder = entry.isDirectory();
    if (isFolder ? skipped.has(entry.name) : !entry.isFile()) continue;
    const path = `${folder}${sep}${entry.name}`;
    if (ignored.ignores(path, isFolder)) continue;
    const name = `${shown}${sep}${entry.name}`;
    if (isFolder) visit(name, path, ignored, found);
    else found.files.push(name);
  }
}

function readFolder(folder: string) {
  const entries = readdirSync(folder, { withFileTypes: true });
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Reads the `.gitignore` files from the top of the repository down to the folder; outside a repository there are none. A
 * folder that they exclude is searched nevertheless if it is named.
 */
function ignoredAbove(folder: string): IgnoreFiles {
  const above: string[] = [];
  let top = folder;
  while (!existsSync(join(top, '.git'))) {
    if (dirname(top) === top) return new IgnoreFiles(folder);
    top = dirname(top);
    above.unshift(top);
  }
  const ignored = above.reduce(readIgnore, new IgnoreFiles(top));
  return folder !== top && ignored.ignores(folder, true) ? new IgnoreFiles(folder) : ignored;
}

function readIgnore(above: IgnoreFiles, folder: string): IgnoreFiles {
  try {
    return above.with(folder, readFileSync(join(folder, '.gitignore'), 'utf8'));
  } catch {
    // A .gitignore that cannot be read excludes nothing, so that more is searched rather than less.
    return above;
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
