// The archive, and the schemas that it moves tables into: `undrop_moved_<entry>_<number>`.
const pattern = '^undrop(_moved_[0-9]+_[0-9]+)?$';

/** SQL: whether a schema, given by its name, belongs to the archive. */
export function inArchiveSql(name: string): string {
  return /* sql */ `${name}::text operator(pg_catalog.~) '${pattern}'`;
}

/** Whether a schema belongs to the archive. */
export function inArchive(name: string): boolean {
  return new RegExp(pattern).test(name);
}
