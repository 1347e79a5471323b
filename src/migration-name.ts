/** `045_x` for `045_x.ts`. */
export function withoutExtension(name: string): string {
  return name.replace(/\.[cm]?[jt]s$/, '');
}

/** `045_x` for `045_x`, and for the path of its file: `/app/migrations/045_x.ts`. */
export function migrationName(given: string): string {
  const file = given.split(/[/\\]/).at(-1) ?? '';
  return file === given ? given : withoutExtension(file);
}
