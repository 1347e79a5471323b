const longest = 10_000;

/** What pg_dump says on its standard error while it is verbose: which table it is at, and what went wrong. */
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

  /** The first lines that are about errors. */
  errors(): string[] {
    this.#addLine(this.#rest);
    this.#rest = '';
    return this.#kept.trim().split('\n').slice(0, 8);
  }

  #addLine(line: string): void {
    // A line that begins otherwise goes on with what the one before has begun. Workers write theirs in pieces, and so
    // into each other's: `pg_dump: pg_dump: dumping contents …` and then `error: could not write …`.
    const [, said] = /^(?:pg_dump: )+(.*)/.exec(line) ?? [];
    const isError = /(^|: )(error|detail|hint): /.test(said ?? '') || /^(error|detail|hint): /.test(line);
    if (said !== undefined || isError) this.#keeps = isError;
    if (this.#keeps && this.#kept.length < longest) this.#kept += `${line}\n`;
    const [, table] = /^dumping contents of table "(.*)"$/.exec(said ?? '') ?? [];
    if (table !== undefined) this.#onTable?.(table);
  }
}
