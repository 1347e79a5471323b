import { type ErrorCode, isUndropError, isVerdict, serverWords, sqlState, UndropError } from '../errors.ts';

type Explanation = readonly [code: ErrorCode, message: string, next: string];

/**
 * Converts an error of the server or the driver into an UndropError. Returns other errors unchanged.
 *
 * @param about the objects that the statement was about, if known
 */
export function explain(error: unknown, about?: { subject: string; words: string }): unknown {
  if (isUndropError(error) || !(error instanceof Error)) return error;
  const state =
    sqlState(error) ?? Object.keys(driverWords).find((what) => driverWords[what]?.test(error.message));
  if (state === undefined) return error;
  const [code, message, next] = explanations[state] ?? [
    'server-error',
    'The server rejected a statement; nothing was changed.',
    'Remove the cause and run it again. DEBUG=1 shows where it happened.',
  ];
  return new UndropError(code, {
    subject: about?.subject ?? state,
    message,
    reason: about === undefined ? error.message : `${about.words}: ${error.message}`,
    next,
    cause: error,
  });
}

// Messages of the driver, which has no codes for a lost connection and for its option query_timeout.
const driverWords: Readonly<Record<string, RegExp>> = {
  'no answer':
    /^(Connection terminated|Client has encountered a connection error|Client was closed|read ECONNRESET|write EPIPE)/,
  'no time': /^Query read timeout/,
};

const lost: Explanation = [
  'no-connection',
  'The connection to the server was lost; the open transaction is rolled back.',
  'Check that the server is running, then run it again: it detects what was committed.',
];

function timeLimit(setting: string): Explanation {
  return [
    'no-connection',
    `The server ended the session because of its time limit ${setting}; the open transaction is rolled back.`,
    `Raise it for this role, and run it again: alter role … set ${setting} = 0`,
  ];
}

// https://www.postgresql.org/docs/current/errcodes-appendix.html
const explanations: Readonly<Record<string, Explanation>> = {
  'no answer': lost,
  'no time': [
    'no-connection',
    'A statement took longer than the option query_timeout of the connection; the open transaction is rolled back.',
    'Increase or remove query_timeout, and run it again: it finds out what has been done.',
  ],
  // Terminated by an administrator, a shutdown, a crash or an idle timeout.
  '57P01': lost,
  '57P02': lost,
  '57P03': lost,
  '57P05': timeLimit('idle_session_timeout'),
  '25P03': timeLimit('idle_in_transaction_session_timeout'),
  '25P04': timeLimit('transaction_timeout'),
  // Lost on the network.
  '08003': lost,
  '08006': lost,
  '57014': [
    'server-error',
    'The server cancelled a statement; nothing was changed.',
    'If statement_timeout was the cause: alter role … set statement_timeout = 0. If an administrator cancelled it, ask before you run it again.',
  ],
  '53100': [
    'server-error',
    'The disk of the server is full; nothing was changed.',
    'Free disk space and run it again. Copied rows need as much space as the tables themselves, and twice as much while it runs.',
  ],
  '53400': [
    'server-error',
    'A statement exceeded a configured limit, such as temp_file_limit; nothing was changed.',
    'Raise the limit for this role and run it again: alter role … set temp_file_limit = -1',
  ],
  '42501': [
    'insufficient-privilege',
    'The role lacks a required privilege.',
    'Run it as the owner of the tables and of the schema undrop.',
  ],
  '53200': [
    'server-error',
    'The server ran out of memory, or of space in its lock table; nothing was changed.',
    'If the reason is out of shared memory, raise max_locks_per_transaction, or drop fewer tables in one migration. Otherwise reduce the memory that the server uses.',
  ],
  '55006': [
    'server-error',
    'This transaction still uses a table that must be altered or dropped; nothing was changed.',
    'Run it in a separate transaction (npx knex migrate:up), or first close cursors and check deferred constraints (set constraints all immediate).',
  ],
  '55P03': [
    'lock-timeout',
    'A lock could not be acquired in time; nothing was changed.',
    'Run it again when the session that holds it has ended.',
  ],
};

/**
 * Returns the error for something that the server refused to create, such as by an event trigger, which its context shows.
 * Returns other errors unchanged.
 */
export function notCreated(what: string, error: unknown): unknown {
  if (isUndropError(error) || !isVerdict(error)) return error;
  return new UndropError('server-error', {
    subject: what,
    message: `The ${what} could not be created; nothing was changed.`,
    reason: serverWords(error),
    next: 'If an event trigger refused it, let its owner allow it for this role, or disable it meanwhile. Then run it again.',
    cause: error,
  });
}

/** Returns the error for a read-only database on which a command must make changes. */
export function onlyRead(database: string): UndropError {
  return new UndropError('unsupported-server', {
    subject: database,
    message: `The database ${database} is read-only.`,
    reason: 'This is a standby, or the role or database defaults to read-only transactions.',
    next: 'Connect to the primary server with a role that may write.',
  });
}
