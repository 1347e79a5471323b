import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Knex } from 'knex';
import { type CopyToStreamQuery, from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { isUndropError, UndropError } from '../errors.ts';
import { say } from '../text/log.ts';
import { type Results, together } from '../text/together.ts';
import { type Found, makeSafe, pin, pins, setAll } from './pinned-settings.ts';
import { describeServer, readBanner, type Server } from './server.ts';
import { explain, onlyRead } from './server-errors.ts';
import { asJson, type Connection, rowsOf, statementsOn } from './statements.ts';
import { type Cancellable, stoppable } from './stoppable.ts';

/** One transaction on one connection, with every setting pinned that changes what PostgreSQL prints or does. */
export interface Session {
  readonly server: Server;
  readonly database: string;
  /** The role that acts, and the schemas that an unqualified name is looked up in. */
  readonly role: string;
  readonly schemas: readonly string[];
  /** Rows of one query, every value as JSON carries it: cast to text in the query what a number cannot hold. */
  read<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /**
   * The same of a query that runs under another search path, for what is printed then. It is parsed under the pinned one:
   * nothing in the query itself is looked up in the other schemas.
   */
  readUnder<Row extends object>(path: string, sql: string, values: readonly unknown[]): Promise<Row[]>;
  /** An insert or update, with what it returns. */
  write<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Statements sent as they are: many without values, or one with some. */
  run(sql: string, values?: readonly unknown[]): Promise<void>;
  /** The same, under the settings that the session was found with: for what runs code of the user. */
  asFound(sql: string): Promise<void>;
  /**
   * Works that go on at the same time. None of them may make a savepoint. All have ended before the first error is thrown,
   * and ask for nothing while it is rolled back.
   */
  together<Works extends readonly unknown[]>(works: readonly [...Works]): Promise<Results<Works>>;
  /** `copy … from stdin`, in the text format; the embedded server takes none. */
  copyIn(sql: string, rows: AsyncIterable<Buffer>): Promise<void>;
  /** `copy … to stdout`, in the text format; gives the number of rows. */
  copyOut(sql: string, put: (rows: Buffer) => Promise<void>): Promise<number>;
  /** What it is at from the next statement on, for whoever looks at `pg_stat_activity`: `knex-undrop: rehearse`. */
  phase(name: string): void;
  /** Does the work in a savepoint; what it throws is thrown after the savepoint has been rolled back. */
  attempt<T>(work: () => Promise<T>): Promise<T>;
  /** Statements without values, in a savepoint. */
  attemptRun(sql: string): Promise<void>;
  /** Does the work in a savepoint and then takes it back. */
  rehearse<T>(work: () => Promise<T>): Promise<T>;
}

export interface SessionKind {
  /** It changes nothing, so that a standby will do. */
  onlyReads?: boolean;
  /** It changes nothing and sees the database as it was at one moment: REPEATABLE READ, in a transaction of its own. */
  oneSnapshot?: boolean;
}

/**
 * Runs `work` in the transaction that Knex gives, or in one of its own where Knex gives none
 * (`--disable-transactions`). Whatever `work` throws leaves no trace, and the settings are put back, since
 * Knex may run another migration in the same transaction.
 *
 * @param kind what `work` makes of it
 * @throws UndropError `unsupported-server`; whatever `work` throws
 */
export async function inSession<T>(
  knex: Knex,
  work: (session: Session) => Promise<T>,
  kind: SessionKind = {},
): Promise<T> {
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
    // Knex then throws what has become of its ROLLBACK instead.
    if (isUndropError(explained) && explained.code === 'no-connection') say(explained.message);
    throw explained;
  }
}

/** Throws what the work throws, also where a connection that is gone can roll nothing back. */
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

  // A connection that is gone cannot roll back; the server has done it, and the first error tells why.
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
    // By itself: of a message that it cannot parse the server does nothing at all.
    await run('savepoint undrop');
    await run(`${text};\nrelease savepoint undrop`).catch(undo);
  };

  const write = async <Row>(text: string, values?: readonly unknown[]): Promise<Row[]> =>
    (await run(text, values)) as Row[];

  const read = async <Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]> => {
    check();
    return statements.read<Row>(text, values);
  };

  // Asked for at one moment, so that nothing else is read in between. A cursor is parsed and planned when it is declared.
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
    const found = await pin(run);
    checkKind(found, kind);
    const settings = isReading(kind) ? found.settings : await makeSafe(run, found);
    const server = describeServer(found.version, Number(found.versionNumber), banner);
    const [look] = server.looksForClients ? await run(lookSql) : [];
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
      asFound: async (text) => {
        const [row] = await run(nowSql, [found.settings]);
        await run(setAll, [found.settings]);
        await run(text);
        // As in `pin`: nothing is looked up in the user's path.
        await run(`set local search_path = ${pins.search_path}`);
        await run(setAll, [row?.settings]);
      },
      together,
      copyIn: (text, rows) =>
        statements.copy((to) => pipeline(Readable.from(rows), to.query(copyFrom(text)))),
      copyOut: (text, put) => statements.copy((from) => drain(from.query(copyTo(text)), put)),
      // Where it fails, so does the next statement, which somebody waits for.
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
    if (look !== undefined) await run(lookNoMoreSql, [look.before]);
    return result;
  };
  // A savepoint could not export its snapshot, and has nothing to take back.
  return kind.oneSnapshot ? act() : attempt(act);
}

// What those settings are now, as JSON.
const nowSql = /* sql */ `
  select pg_catalog.json_object_agg(s.name, pg_catalog.current_setting(s.name, true))::text as settings
  from pg_catalog.jsonb_object_keys($1::jsonb) as s (name)`;

// A client that is killed, or has gone without a word, is to leave no locks behind until its statement ends.
// https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-CLIENT-CONNECTION-CHECK-INTERVAL
const lookSql = /* sql */ `
  select s.before, case when s.before = '0' then pg_catalog.set_config(s.name, '1s', true) end as now
  from (values ('client_connection_check_interval')) as n (name)
  cross join lateral (select n.name, pg_catalog.current_setting(n.name) as before) as s`;
const lookNoMoreSql = `select pg_catalog.set_config('client_connection_check_interval', $1, true)`;

const phaseSql = `select pg_catalog.set_config('application_name', $1, true)`;

/** Reads to the end even where nothing can be done with it: the server goes on only then. */
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
      reason: 'There the snapshot is older than the locks, so what is checked is not what is dropped.',
      next: `Run the migration at READ COMMITTED. If this level is the default of the database or role, let the migration export const config = { transaction: false }, so that knex-undrop begins the transaction.`,
    });
  }
  if (found.readOnly === 'on' && !isReading(kind)) throw onlyRead(found.database);
}
