import { type ErrorCode, isUndropError, sqlState, UndropError } from '../errors.ts';

type Explanation = readonly [code: ErrorCode, message: string, next: string];

/**
 * What the server says and no stage has explained, in words of ours.
 *
 * @param about the objects that it was at, where that is known
 */
export function explain(error: unknown, about?: { subject: string; words: string }): unknown {
  if (isUndropError(error) || !(error instanceof Error)) return error;
  const state = sqlState(error) ?? (brokenOff.test(error.message) ? 'no answer' : undefined);
  if (state === undefined) return error;
  const [code, message, next] = explanations[state] ?? [
    'server-error',
    'The server refused a statement; nothing was changed.',
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
  '57P05': lost,
  '25P03': lost,
  '25P04': lost,
  // Broken off on the way.
  '08003': lost,
  '08006': lost,
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
  '55006': [
    'server-error',
    'This transaction still uses a table that was to be altered or dropped; nothing was changed.',
    'Run it in a transaction of its own, npx knex migrate:up, or end that before: a cursor, or changes that deferred constraints are yet to check.',
  ],
  '55P03': [
    'lock-timeout',
    'A lock was not to be had in time; nothing was changed.',
    'Run it again when the session that holds it has ended.',
  ],
};

/** Where something is to be changed. */
export function onlyRead(database: string): UndropError {
  return new UndropError('unsupported-server', {
    subject: database,
    message: `${database} can only be read here.`,
    reason: 'This is a standby, or the role or database defaults to read-only transactions.',
    next: 'Connect to the primary server with a role that may write.',
  });
}
