import { unquoted } from './object-statements.ts';

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** A table that a backup must hold, and the number of its rows if they are to be checked. */
export interface ExpectedTable extends TableName {
  readonly rows?: number;
  /** The table through which the rows are dumped, if it is another one. */
  readonly root?: TableName;
}

/** A statement of a dump that creates or fills a table. */
export interface TableStatement extends TableName {
  readonly does: 'create' | 'copy' | 'insert';
  /** The text after the name, up to a limit. */
  readonly rest: string;
}

/** Returns a string that is unique for the schema and the name. */
export function tableKey({ schema, name }: TableName): string {
  return JSON.stringify([schema, name]);
}

const identifier = String.raw`("(?:[^"]|"")+"|[^\s."(]+)`;
const head = new RegExp(
  String.raw`^(?:CREATE (?:UNLOGGED )?TABLE|(COPY)|(INSERT) INTO) ${identifier}\.${identifier}(.*)$`,
  's',
);
// Longer than the beginning of such a statement with names of the maximum length.
const headLength = 1000;

/** Parses the beginning of a statement of a dump. Returns undefined if it neither creates nor fills a table. */
export function readTableStatement(statement: Buffer): TableStatement | undefined {
  const found = head.exec(statement.toString('utf8', 0, headLength));
  if (found === null) return undefined;
  const [, copy, insert, schema = '', name = '', rest = ''] = found;
  const does = copy ? 'copy' : insert ? 'insert' : 'create';
  return { does, schema: unquoted(schema), name: unquoted(name), rest };
}

/** Returns the number of rows that an INSERT of a dump inserts. */
export function countInserted({ rest }: TableStatement, groups: number): number {
  if (rest.startsWith(' DEFAULT VALUES')) return 1;
  // The column names are one group of parentheses.
  return rest.startsWith(' (') ? groups - 1 : groups;
}
