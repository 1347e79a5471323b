/** A place in the code that names a table. */
export interface CodeReference {
  /** As found from the root that was given. */
  readonly file: string;
  readonly line: number;
  /** `sql`: a statement uses the table; `word`: its name stands there; `unparsed`: it stands in SQL that does not parse. */
  readonly how: 'sql' | 'word' | 'unparsed';
}

/** What a search of code gave. */
export interface CodeSearch {
  readonly roots: readonly string[];
  /** How many were searched. */
  readonly files: number;
  /** Files and folders that could not be read, with the reason. */
  readonly unread: readonly string[];
  /** By the OID of the table. */
  readonly references: ReadonlyMap<number, readonly CodeReference[]>;
  /** Relations that SQL in the code reads or writes and that do not exist. */
  readonly missing: readonly { readonly name: string; readonly file: string; readonly line: number }[];
}
