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
    (s) => `Nothing listens at ${address(s)}.`,
    () => 'Start the server, or correct PGHOST and PGPORT or DATABASE_URL.',
  ],
  [
    /^(ENOTFOUND|EAI_AGAIN)$/,
    (s) => `The name ${s.host} cannot be resolved.`,
    () => 'Correct PGHOST or DATABASE_URL, or see to the network.',
  ],
  [
    /^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/,
    (s) => `${address(s)} does not answer.`,
    () => 'Correct PGHOST and PGPORT or DATABASE_URL, or let the firewall pass.',
  ],
  [
    /^28P01$/,
    (s) => `The server does not accept the password of ${s.user}, or got none.`,
    () => 'Set PGPASSWORD, ~/.pgpass, or the password in DATABASE_URL.',
  ],
  [
    /^28000$/,
    (s) => `There is no role ${s.user}, or the server's pg_hba.conf does not let it in this way.`,
    (s) =>
      `Create the role, add a line for ${s.user} and ${s.database} to pg_hba.conf, ` +
      'or set sslmode=require where the server asks for TLS.',
  ],
  [
    /^3D000$/,
    (s) => `There is no database ${s.database} on this server.`,
    (s) => `Create it (createdb ${s.database}), or correct PGDATABASE or DATABASE_URL.`,
  ],
  [/^57P03$/, () => 'The server is starting up, shutting down or recovering.', () => 'Wait, and try again.'],
  [/^53300$/, () => 'All connections of the server are taken.', () => 'Close some, and try again.'],
  [
    /^42501$/,
    (s) => `${s.user} may not connect to it.`,
    (s) => `Let the database's owner run: grant connect on database … to … (${s.database}, ${s.user}).`,
  ],
  [
    /^(ERR_TLS|ERR_SSL|ERR_OSSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|CERT_|EPROTO)|^no TLS$/,
    () => 'TLS failed.',
    () => 'Correct sslmode (PGSSLMODE) and sslrootcert: verify-full wants a certificate of this host name.',
  ],
];

/** What a failed connection means, in words. The driver's error stays as the cause; neither holds a password. */
export function unreachable(error: unknown, settings: Settings): UndropError {
  const cause = error as Driver;
  const code = codeOf(cause);
  const found = cases.find(([codes]) => codes.test(code));
  const said = cause.message ? `\n(${cause.message})` : '';
  return new UndropError('no-connection', {
    subject: settings.database,
    message: `There is no connection to ${settings.database} at ${address(settings)} as ${settings.user}.`,
    reason: (found ? found[1](settings) : 'The connection failed.') + said,
    next: found ? found[2](settings) : 'Correct PGHOST, PGPORT and the like, or DATABASE_URL.',
    cause,
  });
}

/** The embedded server closes a second connection without a word. */
export function occupied(folder: string, cause: unknown): UndropError {
  return new UndropError('in-use', {
    subject: folder,
    message: `The embedded PostgreSQL in ${folder} takes no connection.`,
    reason: 'It has one at a time, and this process holds it already.',
    next: 'End that one first (knex.destroy()), or set DATABASE_URL to use a server.',
    cause,
  });
}

/** `host:port`, or the path of the socket. */
export function address({ host, port }: Settings): string {
  if (host.startsWith('/')) return `${host}/.s.PGSQL.${port}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The driver gives some failures words only. */
function codeOf(error: Driver): string {
  if (error.message === 'timeout expired') return 'ETIMEDOUT';
  if (error.message.startsWith('SASL:')) return '28P01';
  if (/SSL/.test(error.message) && error.code === undefined) return 'no TLS';
  return error.code ?? '';
}
