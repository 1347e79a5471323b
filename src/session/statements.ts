import type { Submittable } from 'pg';
import { sqlState, UndropError } from '../errors.ts';

/** Rows with every value as text. */
export type Rows = Record<string, string | null>[];

/** A client of `pg`. */
export interface Connection {
  /**
   * The option `pipeline`: the driver sends a statement without waiting for the result of the previous one.
   * https://node-postgres.com/features/pipelining
   */
  readonly pipeline?: boolean;
  query(config: { text: string; values?: readonly unknown[]; types: object }): Promise<Result | Result[]>;
  query<Stream extends Submittable>(stream: Stream): Stream;
  end(): Promise<void>;
}

interface Result {
  readonly rows: Rows;
}

/** Sends statements on one connection in order. */
export interface Statements {
  /** Runs one statement with parameters, or several without. Returns the rows of all of them. */
  run(text: string, values?: readonly unknown[]): Promise<Rows>;
  /** Returns the rows of one query, with values as in JSON. */
  read<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /**
   * Transfers rows by COPY.
   *
   * @throws UndropError `bad-options` if the driver does not support COPY; whatever `transfer` throws
   */
  copy<Result>(transfer: (connection: Connection) => Promise<Result>): Promise<Result>;
}

// Overrides type parsers that the application has set for the driver.
// https://node-postgres.com/features/queries#types
const asText = { getTypeParser: () => (value: string) => value };

export function statementsOn(connection: Connection): Statements {
  const isPiped = connection.pipeline === true;
  let last: Promise<unknown> = Promise.resolve();
  let failure: unknown;
  let isClosed = false;

  // The driver receives one statement at a time, because its own queue is deprecated since 8.19.
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const result = isPiped ? work() : last.then(work);
    last = result.catch(() => undefined);
    return result;
  };

  // Statements after a failed one fail too: with 25P02 in the same transaction, or because the connection is closed. The
  // first error shows the reason.
  const causeOf = (error: unknown): unknown => {
    if (!isClosed && sqlState(error) !== '25P02') failure = error;
    return failure ?? error;
  };

  const send = async (text: string, values?: readonly unknown[]): Promise<Rows> => {
    try {
      const result = await connection.query({ text, ...(values && { values }), types: asText });
      failure = undefined;
      return [result].flat().flatMap(({ rows }) => rows);
    } catch (error) {
      const cause = causeOf(error);
      // An error of the driver, such as `query_timeout`. The server may still run the statement, so the connection must not
      // return to the pool with an open transaction. When it is closed, the server rolls back.
      if (!isClosed && sqlState(error) === undefined) {
        isClosed = true;
        await connection.end().catch(() => undefined);
      }
      throw cause;
    }
  };

  const run: Statements['run'] = (text, values) => inTurn(() => send(text, values));
  return {
    run,
    read: async (text, values) => rowsOf(await run(asJson(text), values)),
    copy: async (transfer) => {
      if (isPiped) throw noCopy();
      return inTurn(() =>
        transfer(connection).catch((error: unknown) => {
          throw causeOf(error);
        }),
      );
    },
  };
}

/** Returns a query whose only row contains the rows of another query as JSON. */
export function asJson(sql: string): string {
  return `select coalesce(pg_catalog.json_agg(q), '[]')::text as rows from (${sql}\n) q`;
}

/** Returns the rows from the result of such a query. */
export function rowsOf<Row extends object>([row]: Rows): Row[] {
  return JSON.parse(row?.rows ?? '[]');
}

// https://node-postgres.com/features/pipelining; the driver then rejects the streams of pg-copy-streams.
function noCopy(): UndropError {
  return new UndropError('bad-options', {
    subject: 'pipeline',
    message: 'The connection uses the option pipeline of pg.',
    reason: 'With this option, the driver does not support COPY, which is needed here.',
    next: 'Remove the option pipeline from the connection, and run it again.',
  });
}
