import type { Submittable } from 'pg';
import { sqlState, UndropError } from '../errors.ts';

/** Rows with every value as text. */
export type Rows = Record<string, string | null>[];

/** What runs statements, as a client of `pg` does. */
export interface Connection {
  /**
   * The option of this name: the driver sends a statement without waiting for the answer to the one before.
   * https://node-postgres.com/features/pipelining
   */
  readonly pipeline?: boolean;
  query(config: { text: string; values?: readonly unknown[]; types: object }): Promise<{ rows: Rows }>;
  query<Stream extends Submittable>(stream: Stream): Stream;
  end(): Promise<void>;
}

/** Statements on one connection, in the order in which they are asked for. */
export interface Statements {
  /** One statement with values, or many without, which give no rows. */
  run(text: string, values?: readonly unknown[]): Promise<Rows>;
  /** The rows of one query, every value as JSON carries it. */
  read<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /**
   * A transfer of rows by COPY.
   *
   * @throws UndropError `bad-options` where the driver has no COPY; whatever `transfer` throws
   */
  copy<Result>(transfer: (connection: Connection) => Promise<Result>): Promise<Result>;
}

// The parsers that the application has set for the driver do not apply.
// https://node-postgres.com/features/queries#types
const asText = { getTypeParser: () => (value: string) => value };

export function statementsOn(connection: Connection): Statements {
  const isPiped = connection.pipeline === true;
  let last: Promise<unknown> = Promise.resolve();
  let failure: unknown;
  let isClosed = false;

  // The driver gets one statement at a time: its own queue is deprecated since 8.19.
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const result = isPiped ? work() : last.then(work);
    last = result.catch(() => undefined);
    return result;
  };

  // All that follow a failure fail too: with this state in the same transaction, or since the connection is closed. The
  // first error says why.
  const causeOf = (error: unknown): unknown => {
    if (!isClosed && sqlState(error) !== '25P02') failure = error;
    return failure ?? error;
  };

  const send = async (text: string, values?: readonly unknown[]): Promise<Rows> => {
    try {
      const { rows } = await connection.query({ text, ...(values && { values }), types: asText });
      failure = undefined;
      return rows;
    } catch (error) {
      const cause = causeOf(error);
      // An error of the driver, as after `query_timeout`. The server may still run the statement, so the connection must
      // not go back into a pool with the transaction open. Once it is closed, the server rolls back.
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

/** A query whose one row holds the rows of another one as JSON. */
export function asJson(sql: string): string {
  return `select coalesce(pg_catalog.json_agg(q), '[]')::text as rows from (${sql}\n) q`;
}

/** The rows that such a query holds. */
export function rowsOf<Row extends object>([row]: Rows): Row[] {
  return JSON.parse(row?.rows ?? '[]');
}

// https://node-postgres.com/features/pipelining; the driver refuses what pg-copy-streams hands it.
function noCopy(): UndropError {
  return new UndropError('bad-options', {
    subject: 'pipeline',
    message: 'The connection has the option pipeline of pg.',
    reason: 'With it, the driver transfers no rows by COPY, which is needed here.',
    next: 'Leave pipeline out of the connection, and run it again.',
  });
}
