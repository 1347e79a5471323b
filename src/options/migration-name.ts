import { win32 } from 'node:path';

/** Returns `045_x` for `045_x.ts`. */
export function withoutExtension(name: string): string {
  return name.replace(/\.[cm]?[jt]s$/, '');
}

/** Returns `045_x` for `045_x` and for the absolute path of its file, `/app/migrations/045_x.ts`. */
export function migrationName(given: string): string {
  // A relative path is kept as a name: if it were shortened, two names could become the same key in the archive.
  if (!win32.isAbsolute(given)) return given;
  return withoutExtension(given.split(/[/\\]/).at(-1) ?? '');
}
