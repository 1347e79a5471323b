import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Knex } from 'knex';
import type { Submittable } from 'pg';
import { type CopyToStreamQuery, from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { describeServer, refuseOtherProducts, type Server } from './catalog/server.ts';
import { type ErrorCode, isUndropError, sqlState, UndropError } from './errors.ts';
import { onlyRead } from './only-read.ts';
import { say } from './say.ts';
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
  /** An insert or update, with what it returns. */
  write<Row extends object>(sql: string, values: readonly unknown[]): Promise<Row[]>;
  /** Statements without values, sent as they are. */
  run(sql: string): Promise<void>;
  /** `copy … from stdin`, in the text format; the embedded server takes none. */
  copyIn(sql: string, rows: AsyncIterable<Buffer>): Promise<void>;
  /** `copy … to stdout`, in the text format; gives the number of rows. */
  copyOut(sql: string, put: (rows: Buffer) => Promise<void>): Promise<number>;
  /** What it is at, for whoever looks at `pg_stat_activity`: `knex-undrop: rehearse`. */
  phase(name: string): Promise<void>;
  /** Does the work in a savepoint; what it throws is thrown after the savepoint has been rolled back. */
  attempt<T>(work: () => Promise<T>): Promise<T>;
  /** Does the work in a savepoint and then takes it back. */
  rehearse<T>(work: () => Promise<T>): Promise<T>;
}

interface Connection extends Cancellable {
  query(config: { name?: string; text: string; values?: readonly unknown[]; types: object }): Promise<{
    rows: Record<string, string | null>[];
  }>;
  query<Stream extends Submittable>(stream: Stream): Stream;
}

export interface SessionKind {
  /** It changes nothing, so that a standby will do. */
  onlyReads?: boolean;
  /** It changes nothing and sees the database as it was at one moment: REPEATABLE READ, in a transaction of its own. */
  oneSnapshot?: boolean;
}

/**
 * Settings that the deparsers and the replay depend on.
 * https://www.postgresql.org/docs/current/runtime-config-client.html
 */
export const pins: Readonly<Record<string, string>> = {
  // With pg_catalog alone, a temporary table named like a catalog would come first.
  search_path: 'pg_catalog, pg_temp',
  // Turns row-level security that would hide rows from us into an error.
  row_security: 'off',
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '1',
  lc_monetary: 'C',
  quote_all_identifiers: 'off',
  standard_conforming_strings: 'on',
  transform_null_equals: 'off',
  check_function_bodies: 'off',
  default_tablespace: '',
  default_table_access_method: 'heap',
  default_toast_compression: 'pglz',
  client_min_messages: 'warning',
  jit: 'off',
};

/**
 * Rows are read in the order of their pages, as pg_dump reads them. To plan a query over thirty catalogs takes longer
 * than to run it, so it is planned once.
 */
const howToRead = {
  synchronize_seqscans: 'off',
  enable_indexonlyscan: 'off',
  plan_cache_mode: 'force_generic_plan',
};

// Values arrive as PostgreSQL writes them, whatever parsers the application has set for the driver.
const asText = { getTypeParser: () => (value: string) => value };

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
  if (knex.client.driverName !== 'pg' || knex.client.dialect !== 'postgresql') {
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
  const connection: Connection = await knex.client.acquireConnection();
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

function isolationOf({ oneSnapshot }: SessionKind): 'repeatable read' | 'read committed' {
  return oneSnapshot ? 'repeatable read' : 'read committed';
}

type Explanation = readonly [code: ErrorCode, message: string, next: string];

/** What the server says and no stage has explained, in words of ours. */
function explain(error: unknown): unknown {
  if (isUndropError(error) || !(error instanceof Error)) return error;
  const state = sqlState(error) ?? (brokenOff.test(error.message) ? 'no answer' : undefined);
  if (state === undefined) return error;
  const [code, message, next] = explanations[state] ?? [
    'server-error',
    'The server refused a statement; nothing was changed.',
    'Remove the cause and run it again. DEBUG=1 shows where it happened.',
  ];
  return new UndropError(code, { subject: state, message, reason: error.message, next, cause: error });
}

// The driver's words for a connection that is no more.
const brokenOff =
  /^(Connection terminated|Client has encountered a connection error|read ECONNRESET|write EPIPE)/;

const lost: Explanation = [
  'no-connection',
  'The connection to the server broke off; what was begun is rolled back.',
  'See whether the server is up, and run it again: it finds out what has been done.',
];

// https://www.postgresql.org/docs/current/errcodes-appendix.html
const explanations: Readonly<Record<string, Explanation>> = {
  'no answer': lost,
  // Ended by an administrator, by a shutdown, by a crash, for being idle.
  '57P01': lost,
  '57P02': lost,
  '57P03': lost,
  '25P03': lost,
  '57P05': lost,
  '57014': [
    'server-error',
    'The server cancelled a statement; nothing was changed.',
    'If it was statement_timeout: alter role … set statement_timeout = 0. If it was a person, ask.',
  ],
  '53100': [
    'server-error',
    'The disk of the server is full; nothing was changed.',
    'Make room, and run it again. Kept rows need as much as the tables themselves, and twice that while it runs.',
  ],
  '42501': [
    'insufficient-privilege',
    'The role may not do what this needs.',
    'Run it as the owner of the tables and of the schema undrop.',
  ],
  '53200': [
    'server-error',
    'The server has no room for so many locks; nothing was changed.',
    'Raise max_locks_per_transaction, or drop fewer tables in one migration.',
  ],
  '55P03': [
    'lock-timeout',
    'A lock was not to be had in time; nothing was changed.',
    'Run it again when the session that holds it has ended.',
  ],
};

async function withPins<T>(
  connection: Connection,
  work: (session: Session) => Promise<T>,
  kind: SessionKind,
  check: () => void,
): Promise<T> {
  const query = async (text: string, values: readonly unknown[] = []) => {
    check();
    return connection.query(values.length === 0 ? { text, types: asText } : { text, values, types: asText });
  };

  // Queries with values are few and come again; what is looked up by name stands in the text of the others.
  const prepared = async (text: string, values: readonly unknown[]) => {
    check();
    return connection.query({ name: nameOf(text), text, values, types: asText });
  };

  const attempt = async <R>(inner: () => Promise<R>): Promise<R> => {
    await query('savepoint undrop');
    let result: R;
    try {
      result = await inner();
    } catch (error) {
      // A connection that is gone cannot roll back; the server has done it, and the first error tells why.
      await query('rollback to savepoint undrop; release savepoint undrop').catch(() => undefined);
      throw error;
    }
    await query('release savepoint undrop');
    return result;
  };

  const write = async <Row>(text: string, values: readonly unknown[]): Promise<Row[]> => {
    const { rows } = await query(text, values);
    return rows as Row[];
  };

  const read = async <Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> => {
    const wrapped = `select coalesce(pg_catalog.json_agg(q), '[]')::text as rows from (${text}\n) q`;
    const { rows } = await (values.length === 0 ? query(wrapped) : prepared(wrapped, values));
    return JSON.parse(rows[0]?.rows ?? '[]');
  };

  // Asked first: some of them do not even know savepoints.
  const { rows } = await query('select pg_catalog.version() as banner');
  const banner = rows[0]?.banner ?? '';
  refuseOtherProducts(banner);

  const act = async (): Promise<T> => {
    const path = await leavePath(connection);
    const found = await describe(connection, kind);
    await query(setAll, [JSON.stringify({ ...pins, ...howToRead })]);
    const session: Session = {
      server: describeServer(found.version, Number(found.versionNumber), banner),
      database: found.database,
      role: found.role,
      schemas: JSON.parse(path.schemas),
      read,
      write,
      run: async (text) => {
        await query(text);
      },
      copyIn: (text, rows) => pipeline(Readable.from(rows), connection.query(copyFrom(text))),
      copyOut: (text, put) => drain(connection.query(copyTo(text)), put),
      phase: async (name) => {
        await query(`set local application_name = 'knex-undrop: ${name}'`);
      },
      attempt,
      rehearse: async (inner) => {
        await query('savepoint undrop_rehearsal');
        const result = await inner();
        await query('rollback to savepoint undrop_rehearsal; release savepoint undrop_rehearsal');
        return result;
      },
    };
    const result = await work(session);
    await query(setAll, [JSON.stringify({ ...JSON.parse(found.settings), search_path: path.setting })]);
    return result;
  };
  // A savepoint could not export its snapshot, and has nothing to take back.
  return kind.oneSnapshot ? act() : attempt(act);
}

function nameOf(text: string): string {
  return `undrop ${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
}

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

const setAll = /* sql */ `
  select pg_catalog.set_config(s.key, s.value, true)
  from pg_catalog.jsonb_each_text($1::jsonb) as s`;

/**
 * Nothing may be looked up in the user's search path, where a function or operator could pass for a built-in one: not
 * even what reads the settings. This reads the path itself, with nothing in it that is looked up.
 */
async function leavePath(connection: Connection): Promise<{ setting: string; schemas: string }> {
  const { rows } = await connection.query({
    text: /* sql */ `
      select pg_catalog.current_setting('search_path') as setting,
        pg_catalog.array_to_json(pg_catalog.current_schemas(false)) as schemas`,
    types: asText,
  });
  await connection.query({ text: `set local search_path = ${pins.search_path}`, types: asText });
  return rows[0] as { setting: string; schemas: string };
}

interface Found {
  version: string;
  versionNumber: string;
  database: string;
  role: string;
  settings: string;
}

async function describe(connection: Connection, kind: SessionKind): Promise<Found> {
  const { rows } = await connection.query({
    text: /* sql */ `
      select pg_catalog.current_setting('server_version') as version,
        pg_catalog.current_setting('server_version_num') as "versionNumber",
        pg_catalog.current_database()::text as database,
        current_user::text as role,
        pg_catalog.current_setting('transaction_isolation') as isolation,
        pg_catalog.current_setting('transaction_read_only') as "readOnly",
        (select pg_catalog.json_object_agg(s.name, s.setting)::text
         from pg_catalog.pg_settings as s
         where pg_catalog.lower(s.name) = any ($1)
           or s.name in ('lock_timeout', 'application_name')) as settings`,
    values: [Object.keys({ ...pins, ...howToRead })],
    types: asText,
  });
  const found = rows[0] as unknown as Found & { isolation: string; readOnly: string };
  if (found.isolation !== isolationOf(kind)) {
    throw new UndropError('unsupported-server', {
      subject: found.isolation,
      message: `The transaction runs at isolation level ${found.isolation}.`,
      reason: 'There the snapshot is older than the locks, so what is checked is not what is dropped.',
      next: 'Run the migration at READ COMMITTED.',
    });
  }
  if (found.readOnly === 'on' && !kind.onlyReads && !kind.oneSnapshot) throw onlyRead(found.database);
  return found;
}
