import { UndropError } from '../errors.ts';
import type { Settings } from './settings.ts';

interface Driver extends Error {
  code?: string;
}

type Case = [codes: RegExp, reason: (settings: Settings) => string, next: (settings: Settings) => string];

// SQLSTATEs of the server, and codes of the operating system and of OpenSSL as Node gives them.
const cases: Case[] = [
  [
    /^(ECONNREFUSED|ENOENT)$/,
    (s) => `No server listens at ${address(s)}.`,
    () => 'Start the server, or correct PGHOST and PGPORT or DATABASE_URL.',
  ],
  [
    /^(ENOTFOUND|EAI_AGAIN)$/,
    (s) => `The name ${s.host} cannot be resolved.`,
    () => 'Correct PGHOST or DATABASE_URL, or check the network.',
  ],
  [
    /^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/,
    (s) => `${address(s)} does not answer.`,
    () => 'Correct PGHOST and PGPORT or DATABASE_URL, or check the firewall.',
  ],
  [
    /^28P01$/,
    (s) => `The server rejected the password of ${s.user}, or none was sent.`,
    () => 'Set PGPASSWORD, ~/.pgpass, or the password in DATABASE_URL.',
  ],
  [
    /^28000$/,
    (s) => `The role ${s.user} does not exist, or the server's pg_hba.conf does not allow the connection.`,
    (s) =>
      `Create the role, add a line for ${s.user} and ${s.database} to pg_hba.conf, ` +
      (s.ssl.mode === 'disable'
        ? 'or set sslmode=require where the server asks for TLS.'
        : 'or set sslcert and sslkey (PGSSLCERT, PGSSLKEY) where the server asks for a client certificate.'),
  ],
  [
    /^3D000$/,
    (s) => `The database ${s.database} does not exist on this server.`,
    (s) => `Create it (createdb ${s.database}), or correct PGDATABASE or DATABASE_URL.`,
  ],
  [/^57P03$/, () => 'The server is starting up, shutting down or recovering.', () => 'Wait, and try again.'],
  [/^53300$/, () => 'The server has no free connection.', () => 'Close some connections, and try again.'],
  [
    /^42501$/,
    (s) => `The role ${s.user} has no CONNECT privilege on the database.`,
    (s) =>
      `Ask the owner of the database to run: grant connect on database … to … (${s.database}, ${s.user}).`,
  ],
  [
    /^(ERR_TLS|ERR_SSL|ERR_OSSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|CERT_|EPROTO)|^no TLS$/,
    () => 'The TLS connection failed.',
    () =>
      'Correct sslmode (PGSSLMODE) and sslrootcert: verify-full needs a certificate for this host name. ' +
      'If the server rejected the certificate of the client, correct sslcert and sslkey.',
  ],
];

/** The error for a failed connection. The driver's error is its cause. Neither holds a password. */
export function unreachable(error: unknown, settings: Settings): UndropError {
  const cause = error as Driver;
  const code = codeOf(cause);
  const found = cases.find(([codes]) => codes.test(code));
  const driverMessage = cause.message ? `\n(${cause.message})` : '';
  return new UndropError('no-connection', {
    subject: settings.database,
    message: `Could not connect to ${settings.database} at ${address(settings)} as ${settings.user}.`,
    reason: (found ? found[1](settings) : 'The connection failed.') + driverMessage,
    next: found
      ? found[2](settings)
      : 'Correct the connection settings: PGHOST, PGPORT and so on, or DATABASE_URL.',
    cause,
  });
}

/**
 * Whether libpq would try the next sslmode after this error: not if no server was reached, nor if the server rejected the
 * client's certificate, which it does after the handshake.
 */
export function isRejected(error: unknown): boolean {
  return !/^(ECONNREFUSED|ENOENT|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$|_ALERT_.*(CERT|_CA$)/.test(
    codeOf(error as Driver),
  );
}

/** The error for a second connection to the embedded server, which closes it without a message. */
export function occupied(folder: string, cause: unknown): UndropError {
  return new UndropError('in-use', {
    subject: folder,
    message: `The embedded PostgreSQL in ${folder} did not accept the connection.`,
    reason: 'It accepts one connection at a time, and this process has one already.',
    next: 'Close that connection first (knex.destroy()), or set DATABASE_URL to use a server.',
    cause,
  });
}

/** `host:port`, or the path of the socket. */
export function address({ host, port }: Settings): string {
  if (host.startsWith('/')) return `${host}/.s.PGSQL.${port}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The code of an error. Some errors of the driver have only a message. */
function codeOf(error: Driver): string {
  if (error.message === 'timeout expired') return 'ETIMEDOUT';
  if (error.message.startsWith('SASL:')) return '28P01';
  if (/SSL/.test(error.message) && error.code === undefined) return 'no TLS';
  return error.code ?? '';
}
