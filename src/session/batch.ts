import type { Connection, Submittable } from 'pg';

/** One prepared statement with its values, and who waits for its rows. */
export interface Prepared {
  /** None where it will not come again. */
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
  done(rows: Record<string, string | null>[]): void;
  failed(error: unknown): void;
}

type Row = readonly (string | null)[];

/**
 * Prepared statements in one message: the server goes on to the next while the rows of the last are on their way, and
 * are looked at. After one that fails it does none of the others, which fail with it. Each is planned once a connection.
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
 *
 * A query of the driver's own kind, as those of pg-cursor: its client calls what is public here as messages come.
 */
export class Batch implements Submittable {
  /** Set by the driver where it waits with a timeout of its own. */
  callback: (() => void) | undefined;
  readonly #statements: readonly Prepared[];
  readonly #ended: () => void;
  #current = 0;
  #columns: readonly string[] = [];
  #rows: Row[] = [];
  #isOver = false;

  constructor(statements: readonly Prepared[], ended: () => void) {
    this.#statements = statements;
    this.#ended = ended;
  }

  /** By name and text the driver keeps account of what the connection has prepared. */
  get name(): string | undefined {
    return this.#statements[this.#current]?.name;
  }

  get text(): string | undefined {
    return this.#statements[this.#current]?.text;
  }

  submit(connection: Connection): void {
    const { parsedStatements } = connection as Connection & { parsedStatements: Record<string, string> };
    const sent = new Set<string>();
    connection.stream.cork();
    for (const { name, text, values } of this.#statements) {
      if (name === '' || !(name in parsedStatements || sent.has(name)))
        connection.parse({ name, text, types: [] }, true);
      sent.add(name);
      connection.bind({ statement: name, values: values.map(asParameter) }, true);
      connection.describe({ type: 'P' }, true);
      connection.execute({}, true);
    }
    connection.sync();
    connection.stream.uncork();
  }

  handleRowDescription({ fields }: { fields: readonly { name: string }[] }): void {
    this.#columns = fields.map(({ name }) => name);
  }

  handleDataRow({ fields }: { fields: Row }): void {
    this.#rows.push(fields);
  }

  handleCommandComplete(): void {
    const columns = this.#columns;
    const rows = this.#rows.map((row) =>
      Object.fromEntries(columns.map((column, index) => [column, row[index] ?? null])),
    );
    this.#rows = [];
    this.#statements[this.#current++]?.done(rows);
  }

  handleError(error: unknown): void {
    const left = this.#statements.slice(this.#current);
    this.#current = this.#statements.length;
    for (const { failed } of left) failed(error);
    this.#end();
  }

  handleReadyForQuery(): void {
    this.#end();
  }

  #end(): void {
    // What the driver no longer waits for may yet be answered.
    if (this.#isOver) return;
    this.#isOver = true;
    this.callback?.();
    this.#ended();
  }
}

/** As text: an array as its literal. */
function asParameter(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return Array.isArray(value) ? `{${value.map(asElement).join(',')}}` : String(value);
}

function asElement(value: unknown): string {
  return value === null || value === undefined ? 'null' : `"${String(value).replace(/["\\]/g, '\\$&')}"`;
}
