import { userInfo } from 'node:os';
import { UndropError } from '../errors.ts';
import { nearest } from '../text/nearest.ts';
import { readTls, type Tls } from './tls.ts';

/** Complete settings for one server, because the defaults of `pg` and libpq differ. */
export interface Settings {
  /** A name, an address, or the folder of a Unix socket. */
  host: string;
  port: number;
  user: string;
  database: string;
  /** If undefined, `pg` and libpq read PGPASSFILE or ~/.pgpass themselves. */
  password?: string | undefined;
  /** Server settings in the format of PGOPTIONS and `?options=`. */
  options?: string | undefined;
  /** Whether authentication is bound to the TLS connection, where the server supports it. */
  enableChannelBinding?: true;
  ssl: Tls;
}

/** Returns whether the environment names a server. */
export function namesServer(env: NodeJS.ProcessEnv): boolean {
  return Boolean(env.DATABASE_URL || env.PGHOST || env.PGPORT || env.PGDATABASE || env.PGUSER);
}

/**
 * Reads the settings from DATABASE_URL, and those that it omits from the PG* variables. The defaults are localhost, 5432, the
 * operating system's user, a database of the user's name, and no TLS.
 *
 * @throws UndropError `no-connection`, never with the password in it
 */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const url = env.DATABASE_URL ? readUrl(env.DATABASE_URL) : {};
  const host = url.host || env.PGHOST || 'localhost';
  const user = url.user || env.PGUSER || systemUser(env);
  return {
    host,
    port: readPort(url.port || env.PGPORT || '5432'),
    user,
    database: url.database || env.PGDATABASE || user,
    password: url.password || env.PGPASSWORD || undefined,
    options: url.options || env.PGOPTIONS || undefined,
    ...(readBinding(url.channel_binding) && { enableChannelBinding: true }),
    ssl: readTls(host, url.sslmode || readSsl(url.ssl) || env.PGSSLMODE || 'disable', {
      rootCert: url.sslrootcert || env.PGSSLROOTCERT || undefined,
      cert: url.sslcert || env.PGSSLCERT || undefined,
      key: url.sslkey || env.PGSSLKEY || undefined,
    }),
  };
}

/** Returns the variables that pass the same settings to pg_dump and other programs that use libpq. */
export function libpqVariables(settings: Settings): Record<string, string> {
  const { ssl } = settings;
  const variables = Object.entries({
    PGHOST: settings.host,
    PGPORT: String(settings.port),
    PGUSER: settings.user,
    PGDATABASE: settings.database,
    PGPASSWORD: settings.password,
    PGOPTIONS: settings.options,
    PGSSLMODE: ssl.mode,
    PGSSLROOTCERT: ssl.rootCert,
    PGSSLCERT: ssl.cert,
    PGSSLKEY: ssl.key,
  });
  return Object.fromEntries(variables.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** The parameters of a URL that are used. They are those of libpq, and `ssl` of `pg`. */
const parameters = [
  ...['host', 'port', 'dbname', 'user', 'password', 'options'],
  ...['sslmode', 'ssl', 'sslrootcert', 'sslcert', 'sslkey', 'channel_binding', 'target_session_attrs'],
];

/** Parameters that are ignored, because they do not select a server, user or database, nor TLS. */
const withoutEffect = [
  ...['application_name', 'fallback_application_name', 'client_encoding', 'connect_timeout'],
  ...['keepalives', 'keepalives_idle', 'keepalives_interval', 'keepalives_count', 'tcp_user_timeout'],
];

function readUrl(text: string): Partial<Record<string, string>> {
  // The URL standard does not allow a port or a user without a host; PostgreSQL does.
  const full = text.replace(/^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)(?=(?::\d*)?(?:[/?#]|$))/i, '$1no-host');
  if (!URL.canParse(full)) throw badUrl('It is not a URL, or has characters that must be percent-encoded.');
  const url = new URL(full);
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') {
    throw badUrl('It begins neither with postgres:// nor with postgresql://.');
  }
  // After an unencoded `/` or `#` in the password, its rest would be parsed as a part of the URL that messages may show.
  if (url.hash !== '' || url.pathname.includes('@')) {
    throw badUrl(unencoded);
  }
  checkParameters(url);
  const query = Object.fromEntries(url.searchParams);
  checkAttributes(query.target_session_attrs);
  const host = decode(url.hostname).replace(/^\[(.*)\]$/, '$1');
  const database = query.dbname || decode(url.pathname.slice(1));
  if (!database) throw badUrl('It names no database.');
  return {
    ...query,
    host: query.host || (host === 'no-host' ? '' : host),
    port: query.port || url.port,
    user: query.user || decode(url.username),
    password: query.password || decode(url.password),
    database,
  };
}

const unencoded = 'A / ? # or @ within a name or a password must be percent-encoded.';

/** Refuses unknown parameters, as libpq does: with `sslmod=verify-full`, the connection would not use TLS. */
function checkParameters({ search, searchParams }: URL): void {
  const unknown = [...searchParams.keys()].filter(
    (name) => !parameters.includes(name) && !withoutEffect.includes(name),
  );
  const bare = search
    .slice(1)
    .split('&')
    .filter((part) => parameters.includes(part));
  const problems = [
    ...unknown.map((name) => {
      const meant = nearest(name.toLowerCase(), parameters);
      return `It has the unknown parameter ${name}${meant === undefined ? '' : `; perhaps you meant ${meant}`}.`;
    }),
    ...bare.map((name) => `Its parameter ${name} has no value.`),
  ];
  if (problems.length === 0) return;
  // After an unencoded `?` in the password, its rest would be parsed as the name of a parameter.
  if (search.includes('@')) throw badUrl(unencoded);
  throw badUrl(`${problems.join(' ')} The known parameters are ${parameters.join(', ')}.`);
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw badUrl('A % in it begins no percent-encoded character: write %25 for the sign itself.');
  }
}

// `pg` binds if the server offers it, and cannot require it. https://node-postgres.com/features/ssl#channel-binding
function readBinding(binding: string | undefined): boolean {
  if (['prefer', 'require'].includes(binding ?? '')) return true;
  if (binding === undefined || binding === 'disable') return false;
  throw badUrl('Its channel_binding is none of disable, prefer and require.');
}

/** With one host, only a server that can be written to is looked for, as every command that writes requires. */
function checkAttributes(attributes = 'any'): void {
  if (!['any', 'read-write', 'primary'].includes(attributes))
    throw badUrl('Its target_session_attrs is none of any, read-write and primary.');
}

/** `?ssl=` is a word of `pg`, not of libpq. */
function readSsl(ssl: string | undefined): string | undefined {
  if (ssl === 'true' || ssl === '1') return 'verify-full';
  return ssl === 'false' || ssl === '0' ? 'disable' : ssl;
}

function readPort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65535) return port;
  throw new UndropError('no-connection', {
    subject: 'port',
    message: 'The port of the server cannot be read.',
    reason: 'It is not a number from 1 to 65535.',
    next: 'Correct PGPORT, or the port in DATABASE_URL.',
  });
}

function systemUser(env: NodeJS.ProcessEnv): string {
  try {
    return userInfo().username;
  } catch (cause) {
    // A container may run under a number that has no name.
    if (env.USER) return env.USER;
    throw new UndropError('no-connection', {
      subject: 'PGUSER',
      message: 'It is not known which user to connect as.',
      reason: 'None is given, and the operating system has no name for the user of this process.',
      next: 'Set PGUSER, or name the user in DATABASE_URL.',
      cause,
    });
  }
}

function badUrl(reason: string): UndropError {
  return new UndropError('no-connection', {
    subject: 'DATABASE_URL',
    message: 'DATABASE_URL cannot be read.',
    reason,
    next: 'Write it as postgres://user:password@host:5432/database?sslmode=verify-full.',
  });
}
