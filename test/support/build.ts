import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folders = join(root, 'node_modules/.cache/undrop-build');

/** Returns a build of the current sources, compiled once for all processes. It starts in half the time of tsx. */
export function compiledBuild(): string {
  const folder = join(folders, hashOfSources());
  if (existsSync(folder)) return folder;
  const fresh = beginFolder(folder);
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  execFileSync(
    process.execPath,
    [tsc, '-p', 'tsconfig.build.json', '--noCheck', '--declaration', 'false', '--outDir', fresh],
    {
      cwd: root,
      stdio: 'inherit',
    },
  );
  finishFolder(fresh, folder);
  return folder;
}

/**
 * Returns a new folder, for what the given one will contain. Removes earlier results beside it; other processes may still
 * be filling folders of their own.
 */
export function beginFolder(folder: string): string {
  const beside = dirname(folder);
  mkdirSync(beside, { recursive: true });
  for (const name of readdirSync(beside)) {
    const path = join(beside, name);
    if (name !== basename(folder) && (!name.startsWith(begun) || isAbandoned(path)))
      rmSync(path, { recursive: true, force: true });
  }
  return mkdtempSync(join(beside, begun));
}

const begun = 'new-';

/** Whether the process that began it was killed: none takes a day. */
function isAbandoned(path: string): boolean {
  const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? {};
  return mtimeMs !== undefined && mtimeMs < Date.now() - 86_400_000;
}

/** Gives a folder its name, unless another process has finished the same one in the meantime. */
export function finishFolder(fresh: string, folder: string): void {
  try {
    renameSync(fresh, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
    rmSync(fresh, { recursive: true });
  }
}

/** @param more further folders and files that change the result */
export function hashOfSources(more: { folders?: readonly string[]; files?: readonly string[] } = {}): string {
  const hash = createHash('sha256');
  const files = [
    'knexfile.ts',
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.build.json',
    ...(more.files ?? []),
  ];
  for (const folder of ['migrations', 'scripts', 'seeds', 'src', ...(more.folders ?? [])])
    for (const file of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }))
      if (/\.([cm]?[jt]s|json|md)$/.test(file)) files.push(join(folder, file));
  for (const file of files.sort()) hash.update(`${file}\n`).update(readFileSync(join(root, file)));
  return hash.digest('hex').slice(0, 16);
}
