import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { startPgRestore } from '../programs/pg-restore.ts';

/** Returns the lines that `pg_restore --list` prints for a backup, one per object. `--use-list` takes such lines. */
export async function readTableOfContents(program: string, file: string): Promise<string[]> {
  const listing = startPgRestore(program, { args: ['--list'], file });
  const [lines] = await Promise.all([text(listing.output), listing.ended]);
  return lines.split('\n').filter((line) => /^\d+; /.test(line));
}

/** Writes temporary files for `--use-list` and removes them when `work` ends. */
export async function withLists<T>(
  lists: readonly (readonly string[])[],
  work: (files: string[]) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'undrop-list-'));
  try {
    const files = lists.map((_, index) => join(folder, String(index)));
    for (const [index, file] of files.entries())
      await writeFile(file, `${lists[index]?.join('\n')}\n`, { mode: 0o600 });
    return await work(files);
  } finally {
    await rm(folder, { recursive: true });
  }
}
