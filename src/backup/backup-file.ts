import { access, chmod, type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UndropError } from '../errors.ts';
import { stamp } from '../text/units.ts';
import { manifestOf } from './manifest.ts';

// A backup is called `<name>.partial` until it is complete: while pg_dump writes it, while it is hashed, restricted to its
// owner and synced to disk, and while it is proved. Then the manifest is written, also under a temporary name first. Then
// the backup is renamed inside the transaction that records it, and the transaction is committed. So a file with the name
// of a backup is complete, proved and has its manifest, whenever a process is killed. In the worst case such a backup is
// not recorded. If the record were committed first, it could refer to a backup that does not exist.

/** A backup that is being written, under a unique name. */
export interface Draft {
  /** The path of the finished backup. */
  readonly file: string;
  /** The path until it is finished. */
  readonly partial: string;
}

/**
 * Creates an empty file or directory in `folder`: `by_pre_cleanup_YYYYMMDD_HHMMSS.<extension>.partial`, with the time in
 * UTC, and with `_2`, `_3` and so on if another backup has that name. Creates `folder` if it does not exist. Only the
 * owner has access to what is created.
 *
 * @throws UndropError `backup-failed`
 */
export async function claimDraft(
  folder: string,
  { extension, format }: { extension: string; format: string },
  time: Date,
): Promise<Draft> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (let count = 1; ; count++) {
      const suffix = count === 1 ? '' : `_${count}`;
      const file = join(folder, `by_pre_cleanup_${stamp(time)}${suffix}.${extension}`);
      const partial = `${file}${ending}`;
      if (!(await create(partial, format === 'directory'))) continue;
      // After the draft was created: a backup that finishes meanwhile is renamed from the first name to the second.
      if (!(await exists(file)) && !(await exists(manifestOf(file)))) return { file, partial };
      await rm(partial, { recursive: true });
    }
  } catch (error) {
    throw cannotWrite(folder, error);
  }
}

/**
 * Opens the file of a draft and passes it to `work`.
 *
 * @throws UndropError `backup-failed`, and any error of `work`
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
 * Restricts a draft to its owner and syncs it to disk, including the files of a directory.
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
 * Writes the manifest of a draft, then renames the draft to its final name.
 *
 * @throws UndropError `backup-failed`, also if that name already exists
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

/** Removes a draft and its manifest, unless the draft has its final name. Returns whether it has. */
export async function discardDraft({ file, partial }: Draft): Promise<boolean> {
  if (await exists(file)) return true;
  for (const path of [partial, `${manifestOf(file)}${ending}`, manifestOf(file)]) {
    await rm(path, { recursive: true, force: true });
  }
  return false;
}

/** Returns all drafts in a folder, also those that another process is writing, and the seconds since their last change. */
export async function findDrafts(folder: string): Promise<{ path: string; seconds: number }[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw cannotWrite(folder, error);
  });
  const drafts = [];
  for (const name of names
    .filter((entry) => entry.startsWith('by_pre_cleanup_') && entry.endsWith(ending))
    .sort()) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    // Another process may have renamed it meanwhile.
    if (found !== undefined) drafts.push({ path, seconds: (Date.now() - found.mtimeMs) / 1000 });
  }
  return drafts;
}

const ending = '.partial';

/** Creates a file or directory. Returns false if the name already exists. */
async function create(path: string, isFolder: boolean): Promise<boolean> {
  try {
    if (isFolder) await mkdir(path, { mode: 0o700 });
    else await (await open(path, 'wx', 0o600)).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Syncs a file or directory to disk. Without syncing the directory, a power failure could lose new file names. */
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
  EACCES: 'The operating system user has no write permission.',
  EDQUOT: 'The disk quota of the operating system user is exceeded.',
  EEXIST: 'A file or directory of that name already exists.',
  EFBIG: 'The file has reached the maximum file size of the operating system.',
  ENOENT: 'The directory does not exist.',
  ENOSPC: 'The disk is full.',
  ENOTDIR: 'A part of the path is a file, not a directory.',
  EPERM: 'The operating system user has no write permission.',
  EROFS: 'The file system is read-only.',
};

function cannotWrite(path: string, error: unknown): UndropError {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return new UndropError('backup-failed', {
    subject: path,
    message: `Could not write the backup to ${path}.`,
    reason: causes[code] ?? message,
    next:
      code === 'EEXIST'
        ? 'Remove the existing file or directory, or choose another folder with --folder.'
        : 'Choose a folder with write permission and enough free space, with --folder.',
    cause: error,
  });
}
