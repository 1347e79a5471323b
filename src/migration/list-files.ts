import { readdir } from 'node:fs/promises';
import { UndropError } from '../errors.ts';
import { withoutExtension } from '../options/migration-name.ts';

// In order of preference: where both x.ts and x.js exist, the build may be out of date.
const extensions = ['.ts', '.mts', '.js', '.mjs', '.cjs'];

/**
 * Returns the files of migrations in a folder, one for each name without extension.
 *
 * @throws UndropError `bad-options` if the folder cannot be read
 */
export async function listFiles(folder: string): Promise<{ stem: string; file: string }[]> {
  const files = await readFolder(folder);
  const found = new Map<string, string>();
  for (const extension of extensions) {
    for (const file of files) {
      const stem = withoutExtension(file);
      if (file !== stem + extension || stem.endsWith('.d') || found.has(stem)) continue;
      found.set(stem, file);
    }
  }
  return [...found].map(([stem, file]) => ({ stem, file })).sort((a, b) => (a.stem < b.stem ? -1 : 1));
}

/** @throws UndropError `bad-options` if the folder of migrations cannot be read */
export async function readFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    throw new UndropError('bad-options', {
      subject: folder,
      message: `The migrations folder ${folder} cannot be read.`,
      reason: (cause as Error).message,
      next: 'Create the folder, or name the right one: in the knexfile, which --knexfile selects, or with --migrations-directory.',
      cause,
    });
  }
}
