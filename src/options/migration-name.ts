import { win32 } from 'node:path';

/** `045_x` for `045_x.ts`. */
export function withoutExtension(name: string): string {
  return name.replace(/\.[cm]?[jt]s$/, '');
}

/** `045_x` for `045_x`, and for the path of its file, which is absolute: `/app/migrations/045_x.ts`. */
export function migrationName(given: string): string {
  // Any other name with a slash in it is just a name: shortened, two of them could become one key of the archive.
  if (!win32.isAbsolute(given)) return given;
  return withoutExtension(given.split(/[/\\]/).at(-1) ?? '');
}
