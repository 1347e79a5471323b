/**
 * The parameters of libpq that select the server, user or database, or affect TLS, with their variables.
 * https://www.postgresql.org/docs/current/libpq-envars.html
 */
export const used = {
  host: 'PGHOST',
  port: 'PGPORT',
  dbname: 'PGDATABASE',
  user: 'PGUSER',
  password: 'PGPASSWORD',
  options: 'PGOPTIONS',
  service: 'PGSERVICE',
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  sslcrl: 'PGSSLCRL',
  ssl_min_protocol_version: 'PGSSLMINPROTOCOLVERSION',
  ssl_max_protocol_version: 'PGSSLMAXPROTOCOLVERSION',
  channel_binding: 'PGCHANNELBINDING',
  target_session_attrs: 'PGTARGETSESSIONATTRS',
} as const;

export type Values = Partial<Record<keyof typeof used, string>>;

/**
 * Parameters of libpq that the driver does not implement, with their variables. They are refused, unless they have one of
 * these values, which change nothing here.
 */
const unsupported: Readonly<Record<string, readonly [variable: string | undefined, ...allowed: string[]]>> = {
  hostaddr: ['PGHOSTADDR'],
  servicefile: [undefined],
  passfile: [undefined],
  sslpassword: [undefined],
  sslcrldir: ['PGSSLCRLDIR'],
  sslcertmode: ['PGSSLCERTMODE', 'allow'],
  sslsni: ['PGSSLSNI', '1'],
  sslnegotiation: ['PGSSLNEGOTIATION', 'postgres'],
  sslkeylogfile: [undefined],
  requiressl: ['PGREQUIRESSL', '0'],
  require_auth: ['PGREQUIREAUTH'],
  requirepeer: ['PGREQUIREPEER'],
  gssencmode: ['PGGSSENCMODE', 'disable', 'prefer'],
  load_balance_hosts: ['PGLOADBALANCEHOSTS', 'disable'],
  min_protocol_version: ['PGMINPROTOCOLVERSION', '3.0'],
  max_protocol_version: ['PGMAXPROTOCOLVERSION', '3.0', 'latest'],
  replication: [undefined, 'false', 'off', 'no', '0'],
};

/** What to do instead of some of them. */
const instead: Readonly<Record<string, string>> = {
  hostaddr: 'Write the address as the host.',
  servicefile: 'Set PGSERVICEFILE.',
  passfile: 'Set PGPASSFILE.',
  sslpassword: 'Use a key without a password.',
  sslcrldir: 'Write the lists into one file, and name it by sslcrl.',
  requiressl: 'Set sslmode=require.',
};

/** Parameters that are ignored, because they do not select a server, user or database, nor TLS. */
const withoutEffect = [
  ...[
    'application_name',
    'fallback_application_name',
    'client_encoding',
    'connect_timeout',
    'sslcompression',
  ],
  ...['keepalives', 'keepalives_idle', 'keepalives_interval', 'keepalives_count', 'tcp_user_timeout'],
  ...['krbsrvname', 'gsslib', 'gssdelegation'],
  // A parameter of `pg`, with which it reads sslmode as libpq does.
  'uselibpqcompat',
];

/** Whether it is a known parameter of libpq, or of `pg`. */
export function isParameter(name: string): boolean {
  return [used, unsupported].some((some) => Object.hasOwn(some, name)) || withoutEffect.includes(name);
}

/** A parameter that is not supported. */
export interface Unsupported {
  /** As it was given: the parameter or the variable. */
  readonly name: string;
  readonly instead: string | undefined;
}

/**
 * Returns the parameters with values that are not supported.
 *
 * @param given values by parameter, or the environment
 * @param by whether `given` has the names of parameters or of their variables
 */
export function unsupportedIn(
  given: Readonly<Record<string, string | undefined>>,
  by: 'parameter' | 'variable',
): Unsupported[] {
  return Object.entries(unsupported).flatMap(([parameter, [variable, ...allowed]]) => {
    const name = by === 'parameter' ? parameter : variable;
    const value = name !== undefined && Object.hasOwn(given, name) ? given[name] : undefined;
    return !name || !value || allowed.includes(value) ? [] : [{ name, instead: instead[parameter] }];
  });
}
