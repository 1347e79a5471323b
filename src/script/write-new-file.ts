import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UndropError } from '../errors.ts';

/**
 * Writes a file that a command creates. Its folder is created where it does not exist.
 *
 * @param force overwrites an existing file
 * @param reason why an existing file is not overwritten, for the error
 * @param next what to do then; default: for `--out`
 * @throws UndropError `name-taken` where the file exists; `bad-options` where it cannot be written
 */
export async function writeNewFile(
  file: string,
  text: string,
  force: boolean,
  reason: string,
  next = 'Choose another --out, or overwrite it with --force.',
): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text, { flag: force ? 'w' : 'wx' });
  } catch (error) {
    const { code, syscall, message } = error as NodeJS.ErrnoException;
    // mkdir fails with the same code if a file has the name of a folder of the path.
    if (code === 'EEXIST' && syscall === 'open') {
      throw new UndropError('name-taken', {
        subject: file,
        message: `${file} already exists.`,
        reason,
        next,
        cause: error,
      });
    }
    throw new UndropError('bad-options', {
      subject: file,
      message: `${file} cannot be written.`,
      reason: message,
      next: 'Correct the path, or the permissions of the folder.',
      cause: error,
    });
  }
}
