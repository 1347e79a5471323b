export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** A table that a backup must hold; where its rows are counted, with so many of them. */
export interface ExpectedTable extends TableName {
  readonly rows?: number;
}

/** A statement of a dump that makes or fills a table. */
export interface TableStatement extends TableName {
  readonly does: 'create' | 'copy' | 'insert';
  /** What follows the name, as far as it was looked at. */
  readonly rest: string;
}

/** Schema and name as one string that no other pair gives. */
export function tableKey({ schema, name }: TableName): string {
  return JSON.stringify([schema, name]);
}

const identifier = String.raw`("(?:[^"]|"")+"|[^\s."(]+)`;
const head = new RegExp(
  String.raw`^(?:CREATE (?:UNLOGGED )?TABLE|(COPY)|(INSERT) INTO) ${identifier}\.${identifier}(.*)$`,
  's',
);
// Longer than any of them with the longest names.
const headLength = 1000;

/** Reads a statement of a dump; undefined where it is of another kind. */
export function readTableStatement(statement: Buffer): TableStatement | undefined {
  const found = head.exec(statement.toString('utf8', 0, headLength));
  if (found === null) return undefined;
  const [, copy, insert, schema = '', name = '', rest = ''] = found;
  const does = copy ? 'copy' : insert ? 'insert' : 'create';
  return { does, schema: unquoted(schema), name: unquoted(name), rest };
}

/** How many rows an INSERT of a dump brings. */
export function countInserted({ rest }: TableStatement, groups: number): number {
  if (rest.startsWith(' DEFAULT VALUES')) return 1;
  // The names of the columns stand in parentheses of their own.
  return rest.startsWith(' (') ? groups - 1 : groups;
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
