import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UndropError } from '../errors.ts';

/**
 * Writes a file that `--out` has asked for; its folder is made where it is missing.
 *
 * @param reason why one that is there is not overwritten, unless forced
 * @throws UndropError `name-taken` where the file is there; `bad-options` where it cannot be written
 */
export async function writeNewFile(
  file: string,
  text: string,
  force: boolean,
  reason: string,
): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text, { flag: force ? 'w' : 'wx' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && !force) {
      throw new UndropError('name-taken', {
        subject: file,
        message: `${file} is there already.`,
        reason,
        next: 'Choose another --out, or overwrite it with --force.',
        cause: error,
      });
    }
    throw new UndropError('bad-options', {
      subject: file,
      message: `${file} cannot be written.`,
      reason: message,
      next: 'Correct --out, or the rights on that folder.',
      cause: error,
    });
  }
}
