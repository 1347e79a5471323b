import { existsSync, lstatSync, readdirSync, realpathSync, type Stats } from 'node:fs';
import { join, sep } from 'node:path';
import { UndropError } from '../../errors.ts';
import { ownPackage } from '../../text/own-package.ts';
import { listByGit } from './git.ts';

/** Folders without code of the project. */
const skipped = new Set(['.git', '.hg', '.svn', 'node_modules', '.undrop']);

/** The files below a root, and the files and folders that could not be read. */
export interface Found {
  readonly files: string[];
  /** Each with the reason. */
  readonly unread: string[];
}

/**
 * Returns every regular file below the root, or the root itself if it is a file. In a repository of Git, files that
 * `.gitignore` excludes are left out unless they are tracked. Links are followed.
 *
 * @throws UndropError `bad-options` if the root does not exist, or is the folder of this package
 */
export function walk(root: string): Found {
  let real: string;
  let isFile: boolean;
  try {
    real = realpathSync(root);
    isFile = lstatSync(real).isFile();
  } catch (error) {
    throw unreadableRoot(root, error);
  }
  if (own !== undefined && isWithin(real, own)) throw ownFolder(root, own);
  if (isFile) return { files: [root], unread: [] };
  const walker = new Walker(real);
  walker.visit(root.replace(/(?<=.)[/\\]+$/, ''), real, listByGit(real));
  walker.followLinks();
  return walker.found;
}

const own = ownPackage()?.folder;

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}${sep}`);
}

class Walker {
  readonly found: Found = { files: [], unread: [] };
  readonly #root: string;
  /** Real paths of folders that need no visit. This package is not code of the application. */
  readonly #visited = new Set(own === undefined ? [] : [own]);
  readonly #files = new Set<string>();
  readonly #links: { shown: string; path: string }[] = [];

  constructor(root: string) {
    this.#root = root;
  }

  /** @param listed the paths below the folder that are to be read; undefined for all */
  visit(shown: string, folder: string, listed: readonly string[] | undefined): void {
    if (this.#visited.has(folder)) return;
    this.#visited.add(folder);
    this.#attempt(shown, () => {
      if (listed === undefined) {
        const entries = readdirSync(folder, { withFileTypes: true });
        for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1)))
          if (!skipped.has(entry.name))
            this.#add(`${shown}${sep}${entry.name}`, join(folder, entry.name), entry);
        return;
      }
      for (const path of listed)
        if (!path.split('/').some((part) => skipped.has(part)))
          this.#addListed(`${shown}${sep}${path}`, join(folder, path));
    });
  }

  #addListed(shown: string, path: string): void {
    this.#attempt(shown, () => {
      const entry = lstatSync(path);
      if (entry.isDirectory() && !isRepository(path))
        this.found.unread.push(`${shown} is a submodule that is not checked out`);
      else this.#add(shown, path, entry);
    });
  }

  #add(shown: string, path: string, entry: Entry): void {
    if (entry.isSymbolicLink()) this.#links.push({ shown, path });
    // A repository inside another one has ignored files of its own.
    else if (entry.isDirectory()) this.visit(shown, path, isRepository(path) ? listByGit(path) : undefined);
    else if (entry.isFile() && !this.#files.has(path)) {
      this.#files.add(path);
      this.found.files.push(shown);
    }
  }

  /** Follows the links last, so that files that are also found without a link keep the shorter path. */
  followLinks(): void {
    for (let link = this.#links.shift(); link !== undefined; link = this.#links.shift()) {
      const { shown, path } = link;
      this.#attempt(shown, () => {
        const real = realpathSync(path);
        const entry = lstatSync(real);
        if (isWithin(this.#root, real) && real !== this.#root)
          this.found.unread.push(
            `${shown} was not followed: it is a link to ${real}, which contains the root`,
          );
        else if (entry.isDirectory()) this.visit(shown, real, listByGit(real));
        else this.#add(shown, real, entry);
      });
    }
  }

  #attempt(shown: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.found.unread.push(`${shown} could not be read: ${(error as NodeJS.ErrnoException).code}`);
    }
  }
}

type Entry = Pick<Stats, 'isFile' | 'isDirectory' | 'isSymbolicLink'>;

function isRepository(folder: string): boolean {
  return existsSync(join(folder, '.git'));
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

function ownFolder(root: string, folder: string): UndropError {
  return new UndropError('bad-options', {
    subject: root,
    message: `The code in ${root} is that of knex-undrop, not that of your application.`,
    reason: `It lies in ${folder}, the folder of this package.`,
    next: 'Set --code or CODE_ROOTS to the folders of your application.',
  });
}
