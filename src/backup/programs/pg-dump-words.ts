const longest = 10_000;

/** Parses the standard error of pg_dump --verbose: the table that is being dumped, and the error messages. */
export class PgDumpWords {
  readonly #onTable: ((name: string) => void) | undefined;
  #rest = '';
  #kept = '';
  /** Whether the last line ended within a quoted name. */
  #inName = false;

  constructor(onTable?: (name: string) => void) {
    this.#onTable = onTable;
  }

  add(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = (lines.pop() ?? '').slice(-longest);
    for (const line of lines) this.#addLine(line);
  }

  /** Returns the first lines of error messages. */
  errors(): string[] {
    this.#addLine(this.#rest);
    this.#rest = '';
    return this.#kept.trim().split('\n').slice(0, 8);
  }

  #addLine(line: string): void {
    // A line without the prefix continues a name or an error message, or belongs to one: the pieces of concurrent workers
    // are interleaved, as in `pg_dump: pg_dump: dumping contents …`, then `error: could not write …`.
    const [, message] = /^(?:pg_dump: )+(.*)/.exec(line) ?? [];
    const isError = /^(.*: )?(error|detail|hint): /.test(message ?? line);
    const isKept = isError || (message === undefined && !this.#inName);
    if (isKept && this.#kept.length < longest) this.#kept += `${line}\n`;
    const quotes = line.split('"').length - 1;
    this.#inName = !isKept && (message === undefined) !== (quotes % 2 === 1);
    const [, table] = /^dumping contents of table "(.*)"$/.exec(message ?? '') ?? [];
    if (table !== undefined) this.#onTable?.(table);
  }
}
