import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Knex } from 'knex';
import { type CopyToStreamQuery, from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { isUndropError, UndropError } from '../errors.ts';
import { say } from '../text/log.ts';
import { shown } from '../text/printable.ts';
import { type Results, together } from '../text/together.ts';
import { type Found, find, pin, pins, setAll } from './pinned-settings.ts';
import { describeServer, readBanner, type Server } from './server.ts';
import { explain, onlyRead } from './server-errors.ts';
import { asJson, type Connection, rowsOf, statementsOn } from './statements.ts';
import { type Cancellable, stoppable } from './stoppable.ts';

/** A transaction on one connection, in which every setting that affects parsing, printing or behaviour is pinned. */
export interface Session {
  readonly server: Server;
  readonly database: string;
  /** The current role, and the schemas in which unqualified names are searched. */
  readonly role: string;
  readonly schemas: readonly string[];
  /** Returns the rows of one query, with values as in JSON. The query must cast values to text that do not fit a number. */
  read<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /**
   * Returns the rows of a query that is executed under another search path, which affects how objects are printed. The query
   * is parsed under the pinned search path.
   */
  readUnder<Row extends object>(path: string, sql: string, values: readonly unknown[]): Promise<Row[]>;
  /** Runs an INSERT or UPDATE, and returns the rows of its RETURNING clause. */
  write<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Runs several statements without parameters, or one with parameters. */
  run(sql: string, values?: readonly unknown[]): Promise<void>;
  /**
   * Runs statements under the original settings of the session, because they run code of the user.
   *
   * @param names only these settings; all by default
   */
  asFound(sql: string, names?: readonly string[]): Promise<void>;
  /**
   * Runs concurrent tasks, none of which may create a savepoint. If one fails, the first error is thrown after all have
   * ended.
   */
  together<Works extends readonly unknown[]>(works: readonly [...Works]): Promise<Results<Works>>;
  /** Runs `copy … from stdin`, in text format. The embedded server does not support it. */
  copyIn(sql: string, rows: AsyncIterable<Buffer>): Promise<void>;
  /** Runs `copy … to stdout`, in text format, and returns the number of rows. */
  copyOut(sql: string, put: (rows: Buffer) => Promise<void>): Promise<number>;
  /** Sets the phase that `pg_stat_activity` shows as the application name: `knex-undrop: rehearse`. */
  phase(name: string): void;
  /** Does the work in a savepoint. If the work throws, rolls back to the savepoint first. */
  attempt<T>(work: () => Promise<T>): Promise<T>;
  /** Runs statements without parameters in a savepoint. */
  attemptRun(sql: string): Promise<void>;
  /** Does the work in a savepoint, then rolls back to it. */
  rehearse<T>(work: () => Promise<T>): Promise<T>;
}

export interface SessionKind {
  /** The work changes nothing, so that it can run on a standby. */
  onlyReads?: boolean;
  /** The work changes nothing and reads one snapshot: REPEATABLE READ, in a transaction of its own. */
  oneSnapshot?: boolean;
}

/**
 * Runs `work` in Knex's transaction, or in a new one if there is none (`--disable-transactions`). If `work` throws, its
 * changes are rolled back. The settings are reset, because Knex may run another migration in the same transaction.
 *
 * @param kind what `work` needs
 * @throws UndropError `unsupported-server`; whatever `work` throws
 */
export async function inSession<T>(
  knex: Knex,
  work: (session: Session) => Promise<T>,
  kind: SessionKind = {},
): Promise<T> {
  // From JavaScript, anything can be passed.
  if (Object(knex).client === undefined) throw noKnex(knex);
  const dialect = knex.client.config.client;
  if (!/^pg(native)?$/.test(knex.client.driverName) || knex.client.dialect !== 'postgresql') {
    throw new UndropError('unsupported-server', {
      subject: String(dialect),
      message: `The Knex client ${JSON.stringify(dialect)} is not supported.`,
      reason: 'Only PostgreSQL has the catalogs that this package reads.',
      next: 'Use the Knex client "pg".',
    });
  }
  if (!knex.isTransaction) {
    return inTransaction(knex, (transaction) => inSession(transaction, work, kind), kind);
  }
  const connection: Connection & Cancellable = await knex.client.acquireConnection();
  try {
    return await stoppable(connection, (check) => withPins(connection, work, kind, check));
  } catch (error) {
    const explained = explain(error);
    // Knex then throws the error of its ROLLBACK instead.
    if (isUndropError(explained) && explained.code === 'no-connection')
      say(`${explained.message} ${explained.next}`);
    throw explained;
  }
}

/** Throws the error of the work, even if the rollback fails because the connection is lost. */
async function inTransaction<T>(
  knex: Knex,
  work: (transaction: Knex) => Promise<T>,
  kind: SessionKind,
): Promise<T> {
  let first: unknown;
  const attempt = (transaction: Knex): Promise<T> =>
    work(transaction).catch((error: unknown) => {
      first = error;
      throw error;
    });
  const how = { isolationLevel: isolationOf(kind), readOnly: kind.oneSnapshot === true };
  return knex.transaction(attempt, how).catch((error: unknown) => {
    throw first ?? error;
  });
}

function isReading({ onlyReads, oneSnapshot }: SessionKind): boolean {
  return onlyReads === true || oneSnapshot === true;
}

function isolationOf({ oneSnapshot }: SessionKind): 'repeatable read' | 'read committed' {
  return oneSnapshot ? 'repeatable read' : 'read committed';
}

async function withPins<T>(
  connection: Connection,
  work: (session: Session) => Promise<T>,
  kind: SessionKind,
  check: () => void,
): Promise<T> {
  const banner = await readBanner(connection);
  const statements = statementsOn(connection);
  const run = async (text: string, values?: readonly unknown[]) => {
    check();
    return statements.run(text, values);
  };

  // A lost connection cannot roll back. The server has rolled back, and the first error shows the reason.
  const undo = async (error: unknown): Promise<never> => {
    await run('rollback to savepoint undrop; release savepoint undrop').catch(() => undefined);
    throw error;
  };

  const attempt = async <R>(inner: () => Promise<R>): Promise<R> => {
    await run('savepoint undrop');
    let result: R;
    try {
      result = await inner();
    } catch (error) {
      return undo(error);
    }
    await run('release savepoint undrop');
    return result;
  };

  const attemptRun = async (text: string): Promise<void> => {
    // In a message of its own, because the server executes nothing of a message that it cannot parse.
    await run('savepoint undrop');
    await run(`${text};\nrelease savepoint undrop`).catch(undo);
  };

  const write = async <Row>(text: string, values?: readonly unknown[]): Promise<Row[]> =>
    (await run(text, values)) as Row[];

  const read = async <Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]> => {
    check();
    return statements.read<Row>(text, values);
  };

  // Queued together, so that no other query runs in between. A cursor is parsed and planned when it is declared.
  // https://www.postgresql.org/docs/current/sql-declare.html
  const readUnder = async <Row extends object>(
    path: string,
    text: string,
    values: readonly unknown[],
  ): Promise<Row[]> => {
    const [, , rows] = await together([
      run(`declare undrop no scroll cursor for ${asJson(text)}`, values),
      run(`set local search_path = ${path}`),
      run('fetch undrop'),
      run('close undrop'),
      run(`set local search_path = ${pins.search_path}`),
    ]);
    return rowsOf(rows);
  };

  const act = async (): Promise<T> => {
    const found = await find(run);
    checkKind(found, kind);
    const server = describeServer(found.version, Number(found.versionNumber), banner);
    const settings = await pin(run, found, server.looksForClients, isReading(kind));
    const session: Session = {
      server,
      database: found.database,
      role: found.role,
      schemas: found.schemas,
      read,
      readUnder,
      write,
      run: async (text, values) => {
        await run(text, values);
      },
      asFound: async (text, names) => {
        const wanted = names === undefined ? found.settings : pick(found.settings, names);
        const [row] = await run(nowSql, [wanted]);
        await run(setAll, [wanted]);
        await run(text);
        // As in `find`, the search path is pinned first.
        await run(`set local search_path = ${pins.search_path}`);
        await run(setAll, [row?.settings]);
      },
      together,
      copyIn: (text, rows) =>
        statements.copy((to) => pipeline(Readable.from(rows), to.query(copyFrom(text)))),
      copyOut: (text, put) => statements.copy((from) => drain(from.query(copyTo(text)), put)),
      // If it fails, the next statement fails too, and that error is thrown.
      phase: (name) => void statements.run(phaseSql, [`knex-undrop: ${name}`]).catch(() => undefined),
      attempt,
      attemptRun,
      rehearse: async (inner) => {
        await run('savepoint undrop_rehearsal');
        const result = await inner();
        await run('rollback to savepoint undrop_rehearsal; release savepoint undrop_rehearsal');
        return result;
      },
    };
    const result = await work(session);
    await run(setAll, [settings]);
    return result;
  };
  // A subtransaction cannot export a snapshot, and there is nothing to roll back.
  return kind.oneSnapshot ? act() : attempt(act);
}

/** Returns the named settings of a JSON object, as JSON. */
function pick(settings: string, names: readonly string[]): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(JSON.parse(settings)).filter(([name]) => names.includes(name))),
  );
}

// The current values of the settings, as JSON.
const nowSql = /* sql */ `
  select pg_catalog.json_object_agg(s.name, pg_catalog.current_setting(s.name, true))::text as settings
  from pg_catalog.jsonb_object_keys($1::jsonb) as s (name)`;

const phaseSql = `select pg_catalog.set_config('application_name', $1, true)`;

/** Reads to the end even after an error, because the server continues only then. */
async function drain(stream: CopyToStreamQuery, put: (rows: Buffer) => Promise<void>): Promise<number> {
  let failed: { error: unknown } | undefined;
  for await (const rows of stream) {
    if (failed !== undefined) continue;
    await put(rows).catch((error: unknown) => {
      failed = { error };
    });
  }
  if (failed !== undefined) throw failed.error;
  return stream.rowCount;
}

function checkKind(found: Found, kind: SessionKind): void {
  if (found.isolation !== isolationOf(kind)) {
    throw new UndropError('unsupported-server', {
      subject: found.isolation,
      message: `The transaction runs at isolation level ${found.isolation}.`,
      reason:
        'At this level the snapshot is older than the locks, so the checked objects could differ from the dropped ones.',
      next: `Run the migration at READ COMMITTED. If this level is the default of the database or role, let the migration export const config = { transaction: false }, so that knex-undrop begins the transaction.`,
    });
  }
  if (found.readOnly === 'on' && !isReading(kind)) throw onlyRead(found.database);
}

function noKnex(given: unknown): UndropError {
  return new UndropError('bad-options', {
    subject: 'knex',
    message: 'No Knex connection was passed.',
    reason: `Instead of the Knex connection that Knex passes to migrations, the argument is ${shown(given)}.`,
    next: 'Run the migration by Knex, as with knex migrate:latest, or pass a connection: up(knex).',
  });
}
