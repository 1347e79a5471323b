import { UndropError } from '../errors.ts';
import { nearest } from '../text/nearest.ts';
import { isParameter, unsupportedIn, used, type Values } from './parameters.ts';

/**
 * Reads the parameters of a connection URL, as libpq does, and `ssl` of `pg`.
 *
 * @throws UndropError `no-connection`, never with the password in it
 */
export function readUrl(text: string): Values {
  refuseSeveralHosts(text);
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
  const { ssl, ...query }: Values & { ssl?: string } = Object.fromEntries(url.searchParams);
  const host = decode(url.hostname).replace(/^\[(.*)\]$/, '$1');
  const database = query.dbname || decode(url.pathname.slice(1));
  if (!database && !query.service) throw badUrl('It names no database.');
  return {
    ...query,
    host: query.host || (host === 'no-host' ? '' : host),
    port: query.port || url.port,
    user: query.user || decode(url.username),
    password: query.password || decode(url.password),
    dbname: database,
    sslmode: query.sslmode || readSsl(ssl),
  };
}

const unencoded = 'A / ? # or @ within a name or a password must be percent-encoded.';

function refuseSeveralHosts(text: string): void {
  const [, authority = '', rest = ''] = /^\w+:\/\/([^/?#]*)(.*)$/s.exec(text) ?? [];
  const hosts = authority.slice(authority.lastIndexOf('@') + 1);
  if (!hosts.includes(',')) return;
  // An unencoded `/` in the password could be the cause.
  throw badUrl(rest.includes('@') ? unencoded : severalHosts);
}

const severalHosts = 'It names several hosts, of which undrop cannot choose one. Name the primary server.';

/** Refuses unknown parameters, as libpq does: with `sslmod=verify-full`, the connection would not use TLS. */
function checkParameters({ search, searchParams }: URL): void {
  const known = [...Object.keys(used), 'ssl'];
  const unknown = [...searchParams.keys()].filter((name) => name !== 'ssl' && !isParameter(name));
  const bare = search
    .slice(1)
    .split('&')
    .filter((part) => known.includes(part));
  const problems = [
    ...unknown.map((name) => {
      const meant = nearest(name.toLowerCase(), known);
      return `It has the unknown parameter ${name}${meant === undefined ? '' : `; perhaps you meant ${meant}`}.`;
    }),
    ...bare.map((name) => `Its parameter ${name} has no value.`),
    ...unsupportedIn(Object.fromEntries(searchParams), 'parameter').map(
      ({ name, instead }) => `Its parameter ${name} is not supported.${instead ? ` ${instead}` : ''}`,
    ),
  ];
  if (problems.length === 0) return;
  // After an unencoded `?` in the password, its rest would be parsed as the name of a parameter.
  if (search.includes('@')) throw badUrl(unencoded);
  throw badUrl(`${problems.join(' ')} The known parameters are ${known.join(', ')}.`);
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw badUrl('A % in it begins no percent-encoded character: write %25 for the sign itself.');
  }
}

/** `?ssl=` is a word of `pg`, not of libpq. */
function readSsl(ssl = ''): string {
  if (ssl === 'true' || ssl === '1') return 'verify-full';
  return ssl === 'false' || ssl === '0' ? 'disable' : ssl;
}

function badUrl(reason: string): UndropError {
  return new UndropError('no-connection', {
    subject: 'DATABASE_URL',
    message: 'DATABASE_URL cannot be read.',
    reason,
    next: 'Write it as postgres://user:password@host:5432/database?sslmode=verify-full.',
  });
}
