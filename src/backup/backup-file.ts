import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UndropError } from '../errors.ts';

/**
 * A path in `folder` that no backup has: `by_pre_cleanup_YYYYMMDD_HHMMSS.<extension>` of `now` in UTC, with `_2`,
 * `_3` and so on where that is taken. The folder is made, closed to others, where it is missing.
 *
 * @throws UndropError `backup-failed`
 */
export async function uniqueBackupName(folder: string, extension: string, now = new Date()): Promise<string> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (!(await stat(folder)).isDirectory()) throw new Error('It is a file, not a folder.');
    const stamp = now
      .toISOString()
      .replaceAll(/[-:]|\..*/g, '')
      .replace('T', '_');
    for (let count = 1; ; count++) {
      const suffix = count === 1 ? '' : `_${count}`;
      const file = join(folder, `by_pre_cleanup_${stamp}${suffix}.${extension}`);
      // In this order: a backup that ends meanwhile goes from the first name to the second.
      if (!(await exists(partialOf(file))) && !(await exists(file))) return file;
    }
  } catch (error) {
    throw cannotWrite(folder, error);
  }
}

/**
 * Writes `<file>.partial`, readable to its owner alone, and gives it the name `file` only when `write` has
 * succeeded and everything is on the disk; else removes it.
 *
 * @throws UndropError `backup-failed`, also where the file is there already
 */
export async function writeWhole(
  file: string,
  write: (handle: FileHandle) => Promise<void>,
): Promise<{ bytes: number; sha256: string }> {
  const partial = partialOf(file);
  await refuseTaken(file);
  const handle = await open(partial, 'wx', 0o600).catch((error: unknown) => {
    throw cannotWrite(file, error);
  });
  try {
    await write(handle);
    const { size } = await handle.stat();
    const sha256 = await hashOf(partial);
    await handle.sync();
    await handle.close();
    await refuseTaken(file);
    await rename(partial, file);
    await syncFolder(dirname(file));
    return { bytes: size, sha256 };
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(partial, { force: true });
    throw error instanceof UndropError ? error : cannotWrite(file, error);
  }
}

/** The SHA-256 of a file, in hexadecimal digits. */
export async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  return hash.digest('hex');
}

function partialOf(file: string): string {
  return `${file}.partial`;
}

async function refuseTaken(file: string): Promise<void> {
  const there = await exists(file).catch((error: unknown) => {
    throw cannotWrite(file, error);
  });
  if (there) throw cannotWrite(file, Object.assign(new Error(), { code: 'EEXIST' }));
}

/** Else the new name could be lost with the power, though the contents are on the disk. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

const causes: Partial<Record<string, string>> = {
  EACCES: 'The operating system does not let this user write there.',
  EEXIST: 'Something of that name is there already.',
  ENOENT: 'The folder is not there.',
  ENOSPC: 'No space is left on the disk.',
  ENOTDIR: 'A part of the path is a file, not a folder.',
  EPERM: 'The operating system does not let this user write there.',
  EROFS: 'The disk can only be read.',
};

function cannotWrite(path: string, error: unknown): UndropError {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return new UndropError('backup-failed', {
    subject: path,
    message: `The backup cannot be written to ${path}.`,
    reason: causes[code] ?? message,
    next:
      code === 'EEXIST'
        ? 'Take the backup again if another one began in the same second; else choose another folder.'
        : 'Choose a folder that this user can write to, with enough space.',
    cause: error,
  });
}
