const longest = 10_000;

/** Parses the standard error of pg_dump --verbose: the table that is being dumped, and the error messages. */
export class PgDumpWords {
  readonly #onTable: ((name: string) => void) | undefined;
  #rest = '';
  #kept = '';
  #keeps = true;

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
    // A line without the prefix continues the previous message. The output of concurrent workers is interleaved:
    // `pg_dump: pg_dump: dumping contents …`, then `error: could not write …`.
    const [, message] = /^(?:pg_dump: )+(.*)/.exec(line) ?? [];
    const isError = /(^|: )(error|detail|hint): /.test(message ?? '') || /^(error|detail|hint): /.test(line);
    if (message !== undefined || isError) this.#keeps = isError;
    if (this.#keeps && this.#kept.length < longest) this.#kept += `${line}\n`;
    const [, table] = /^dumping contents of table "(.*)"$/.exec(message ?? '') ?? [];
    if (table !== undefined) this.#onTable?.(table);
  }
}
