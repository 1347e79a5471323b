import { access, chmod, type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UndropError } from '../errors.ts';
import { manifestOf } from './manifest.ts';

// A backup gets its name when nothing is left to be done to it. Until then it is `<name>.partial`: while pg_dump writes,
// while it is hashed, closed to others and written to the disk for good, and while it is proved. Then comes its
// manifest, itself written aside; then its name, inside the transaction that records it; then that is committed. So
// whatever is killed when: what has the name of a backup is whole, is proved and has its manifest. The worst that a kill
// leaves is such a backup that no gate knows of. The other way round there could be a record of a backup that is not there.

/** A backup that is being written, under a name that no other has. */
export interface Draft {
  /** What it will be called. */
  readonly file: string;
  /** Where it is until then. */
  readonly partial: string;
}

/**
 * Makes an empty file, or folder, in `folder`: `by_pre_cleanup_YYYYMMDD_HHMMSS.<extension>.partial` of the time in UTC,
 * with `_2`, `_3` and so on where another backup has that name. Like `folder`, where that is missing, it is closed to
 * others.
 *
 * @throws UndropError `backup-failed`
 */
export async function claimDraft(
  folder: string,
  { extension, format }: { extension: string; format: string },
  time: Date,
): Promise<Draft> {
  const stamp = time
    .toISOString()
    .replaceAll(/[-:]|\..*/g, '')
    .replace('T', '_');
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (let count = 1; ; count++) {
      const suffix = count === 1 ? '' : `_${count}`;
      const file = join(folder, `by_pre_cleanup_${stamp}${suffix}.${extension}`);
      const partial = `${file}${ending}`;
      if (!(await isNew(partial, format === 'directory'))) continue;
      // In this order: a backup that ends meanwhile goes from the first name to the second.
      if (!(await exists(file)) && !(await exists(manifestOf(file)))) return { file, partial };
      await rm(partial, { recursive: true });
    }
  } catch (error) {
    throw cannotWrite(folder, error);
  }
}

/**
 * Writes to the file of a draft.
 *
 * @throws UndropError `backup-failed`; whatever `work` throws
 */
export async function writeDraft(
  { partial }: Draft,
  work: (output: FileHandle) => Promise<void>,
): Promise<void> {
  const output = await open(partial, 'r+').catch((error: unknown) => {
    throw cannotWrite(partial, error);
  });
  try {
    await work(output);
  } catch (error) {
    throw isUnexplained(error) ? cannotWrite(partial, error) : error;
  } finally {
    await output.close();
  }
}

/**
 * Closes a draft to others, files of a folder included, and sees it to the disk.
 *
 * @throws UndropError `backup-failed`
 */
export async function settleDraft({ partial }: Draft): Promise<void> {
  try {
    const isFolder = (await stat(partial)).isDirectory();
    const files = isFolder ? (await readdir(partial)).map((name) => join(partial, name)) : [partial];
    for (const file of files) {
      await chmod(file, 0o600);
      await sync(file);
    }
    if (isFolder) await sync(partial);
  } catch (error) {
    throw cannotWrite(partial, error);
  }
}

/**
 * Gives a draft its manifest and then its name.
 *
 * @throws UndropError `backup-failed`, also where something of that name is there already
 */
export async function publishDraft({ file, partial }: Draft, manifest: string): Promise<void> {
  const path = manifestOf(file);
  try {
    const output = await open(`${path}${ending}`, 'wx', 0o600);
    await output.writeFile(manifest);
    await output.sync();
    await output.close();
    await rename(`${path}${ending}`, path);
    await sync(dirname(file));
    if (await exists(file)) throw Object.assign(new Error(), { code: 'EEXIST' });
    await rename(partial, file);
    await sync(dirname(file));
  } catch (error) {
    throw cannotWrite(file, error);
  }
}

/** Removes what there is of a draft, unless it has got its name: whether it has. */
export async function discardDraft({ file, partial }: Draft): Promise<boolean> {
  if (await exists(file)) return true;
  for (const path of [partial, `${manifestOf(file)}${ending}`, manifestOf(file)]) {
    await rm(path, { recursive: true, force: true });
  }
  return false;
}

/** Drafts in a folder, those of others that are being written among them, and how long ago each was written to. */
export async function findDrafts(folder: string): Promise<{ path: string; seconds: number }[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw cannotWrite(folder, error);
  });
  const drafts = [];
  for (const name of names
    .filter((one) => one.startsWith('by_pre_cleanup_') && one.endsWith(ending))
    .sort()) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    // Another backup may have got its name meanwhile.
    if (found !== undefined) drafts.push({ path, seconds: (Date.now() - found.mtimeMs) / 1000 });
  }
  return drafts;
}

const ending = '.partial';

/** Makes it where nothing of that name is there. */
async function isNew(path: string, isFolder: boolean): Promise<boolean> {
  try {
    if (isFolder) await mkdir(path, { mode: 0o700 });
    else await (await open(path, 'wx', 0o600)).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Of a folder: else the new names could be lost with the power, though the contents are on the disk. */
async function sync(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
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

function isUnexplained(error: unknown): boolean {
  return !(error instanceof UndropError) && error instanceof Error && 'syscall' in error;
}

const causes: Partial<Record<string, string>> = {
  EACCES: 'The operating system does not let this user write there.',
  EDQUOT: 'The quota of this user is used up.',
  EEXIST: 'Something of that name is there already.',
  EFBIG: 'The file is as large as the operating system allows.',
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
        ? 'Take away what is there, or choose another folder.'
        : 'Choose a folder that this user can write to, with enough space.',
    cause: error,
  });
}
