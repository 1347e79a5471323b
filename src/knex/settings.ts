import { userInfo } from 'node:os';
import { UndropError } from '../errors.ts';
import { unsupportedIn, used, type Values } from './parameters.ts';
import { readService } from './service-file.ts';
import { readTls, type Tls } from './tls.ts';
import { readUrl } from './url.ts';

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

/**
 * Reads the settings from DATABASE_URL; those that it omits from the service that it or PGSERVICE names; and the others from
 * the PG* variables. The defaults are localhost, 5432, the operating system's user, a database of the user's name, and no
 * TLS.
 *
 * @throws UndropError `no-connection`, never with the password in it
 */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  refuseUnsupported(env);
  const url = env.DATABASE_URL ? readUrl(env.DATABASE_URL) : {};
  const service = url.service || env.PGSERVICE;
  const variables = Object.fromEntries(
    Object.entries(used).map(([parameter, variable]) => [parameter, env[variable]]),
  );
  const values = merge(url, service ? readService(service, env) : {}, variables);
  const { host = 'localhost', user = systemUser(env) } = values;
  if (`${host}${values.port}`.includes(',')) throw severalHosts();
  checkAttributes(values.target_session_attrs);
  return {
    host,
    port: readPort(values.port ?? '5432'),
    user,
    database: values.dbname ?? user,
    password: values.password,
    options: values.options,
    ...(readBinding(values.channel_binding) && { enableChannelBinding: true }),
    ssl: readTls(host, values),
  };
}

/** For each parameter, the first value that is not empty. */
function merge(...sources: readonly Values[]): Values {
  const given = sources.map((source) => Object.entries(source).filter(([, value]) => value));
  return Object.fromEntries(given.reverse().flat());
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
    ...(ssl.mode !== 'disable' && {
      PGSSLROOTCERT: ssl.rootCert ?? nowhere,
      PGSSLCERT: ssl.cert ?? nowhere,
      PGSSLKEY: ssl.key,
      PGSSLCRL: ssl.crl ?? nowhere,
      PGSSLMINPROTOCOLVERSION: ssl.min,
      PGSSLMAXPROTOCOLVERSION: ssl.max,
    }),
    // Encryption by GSSAPI would take precedence over TLS. The driver does not support it.
    PGGSSENCMODE: 'disable',
  });
  return Object.fromEntries(variables.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** A path of no file, with which libpq does not look for a file in ~/.postgresql. */
const nowhere = '/dev/null/nowhere';

function refuseUnsupported(env: NodeJS.ProcessEnv): void {
  const [first] = unsupportedIn(env, 'variable');
  if (first === undefined) return;
  throw new UndropError('no-connection', {
    subject: first.name,
    message: `The variable ${first.name} is not supported.`,
    reason: 'The driver has no such setting, so the connection would differ from that of psql and pg_dump.',
    next: `${first.instead ?? ''} Unset ${first.name} for this command.`.trimStart(),
  });
}

function severalHosts(): UndropError {
  return new UndropError('no-connection', {
    subject: 'host',
    message: 'Several hosts or ports are given.',
    reason: 'Only one server can be worked on, and undrop cannot choose it.',
    next: 'Name the primary server alone: correct PGHOST and PGPORT, the service, or DATABASE_URL.',
  });
}

// `pg` binds if the server offers it, and cannot require it. https://node-postgres.com/features/ssl#channel-binding
function readBinding(binding = 'disable'): boolean {
  if (['disable', 'prefer', 'require'].includes(binding)) return binding !== 'disable';
  throw unknownValue('channel_binding', ['disable', 'prefer', 'require']);
}

/** With one host, only a server that can be written to is looked for, as every command that writes requires. */
function checkAttributes(attributes = 'any'): void {
  const known = ['any', 'read-write', 'primary'];
  if (!known.includes(attributes)) throw unknownValue('target_session_attrs', known);
}

function unknownValue(parameter: keyof typeof used, known: readonly string[]): UndropError {
  return new UndropError('no-connection', {
    subject: parameter,
    message: `The value of ${parameter} is not supported.`,
    reason: `The values are ${known.join(', ')}.`,
    next: `Correct ${used[parameter]}, or ${parameter} in DATABASE_URL or the service.`,
  });
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
