import { existsSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
// Not its names, since only later versions of Node have all that are read.
import tls from 'node:tls';
import { UndropError } from '../errors.ts';
import type { Values } from './parameters.ts';

/** TLS settings: the mode, as in libpq, the paths of files, and the versions of the protocol. */
export interface Tls {
  mode: 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';
  /** If a path is undefined, there is no such file. */
  rootCert?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  crl?: string | undefined;
  min?: tls.SecureVersion | undefined;
  max?: tls.SecureVersion | undefined;
}

/** The words of libpq, and `no-verify` of `pg`. */
const modes: readonly string[] = [
  ...['disable', 'allow', 'prefer', 'require', 'no-verify', 'verify-ca', 'verify-full'],
];

const versions: readonly tls.SecureVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

/**
 * Reads the TLS settings, with the files in `~/.postgresql` for those that are not given, as libpq does.
 * https://www.postgresql.org/docs/current/libpq-ssl.html
 *
 * @throws UndropError `no-connection` for values that are unknown or contradict each other
 */
export function readTls(host: string, given: Values): Tls {
  const system = given.sslrootcert === 'system';
  const sslmode = given.sslmode || (system ? 'verify-full' : 'disable');
  if (!modes.includes(sslmode))
    throw bad('sslmode', `The sslmode ${JSON.stringify(sslmode)} is unknown.`, {
      reason: `The modes are ${modes.join(', ')}.`,
      next: 'Correct PGSSLMODE, or sslmode in DATABASE_URL.',
    });
  // As in libpq: no TLS over a Unix socket.
  if (sslmode === 'disable' || host.startsWith('/')) return { mode: 'disable' };
  if (system && sslmode !== 'verify-full')
    throw bad('sslrootcert', `sslrootcert=system cannot be used with sslmode=${sslmode}.`, {
      reason:
        'Anyone can get a certificate that the system trusts, so the name of the host must be verified.',
      next: 'Set sslmode=verify-full.',
    });
  const rootCert = sslmode === 'no-verify' ? undefined : given.sslrootcert || own('root.crt');
  if (rootCert === undefined && sslmode.startsWith('verify'))
    throw bad('sslrootcert', `sslmode=${sslmode} needs the certificate of the authority.`, {
      reason: `None is given, and ${file('root.crt')} does not exist.`,
      next: 'Set sslrootcert (PGSSLROOTCERT) to its file, or to system for the authorities that this system trusts.',
    });
  const cert = given.sslcert || own('postgresql.crt');
  return {
    mode: modeOf(sslmode, rootCert),
    rootCert,
    cert,
    key: cert && (given.sslkey || file('postgresql.key')),
    crl: rootCert && (given.sslcrl || own('root.crl')),
    min: readVersion('ssl_min_protocol_version', given.ssl_min_protocol_version),
    max: readVersion('ssl_max_protocol_version', given.ssl_max_protocol_version),
  };
}

function modeOf(sslmode: string, rootCert: string | undefined): Tls['mode'] {
  if (sslmode === 'no-verify') return 'require';
  // With a root certificate, `require` verifies the server's certificate.
  return sslmode === 'require' && rootCert !== undefined ? 'verify-ca' : (sslmode as Tls['mode']);
}

function readVersion(parameter: string, text: string | undefined): tls.SecureVersion | undefined {
  if (!text) return undefined;
  const version = versions.find((each) => each.toLowerCase() === text.toLowerCase());
  if (version !== undefined) return version;
  throw bad(parameter, `The ${parameter} ${JSON.stringify(text)} is unknown.`, {
    reason: `The versions are ${versions.join(', ')}.`,
    next: `Correct ${parameter}.`,
  });
}

function file(name: string): string {
  const { platform, env } = process;
  return platform === 'win32'
    ? join(env.APPDATA ?? '', 'postgresql', name)
    : join(homedir(), '.postgresql', name);
}

function own(name: string): string | undefined {
  const path = file(name);
  return existsSync(path) ? path : undefined;
}

/** Returns the same settings for each attempt that libpq makes, in order. */
export function attempts(ssl: Tls): readonly [Tls, ...Tls[]] {
  const withTls: Tls = { ...ssl, mode: ssl.rootCert === undefined ? 'require' : 'verify-ca' };
  const without: Tls = { mode: 'disable' };
  if (ssl.mode === 'prefer') return [withTls, without];
  return ssl.mode === 'allow' ? [without, withTls] : [ssl];
}

/**
 * Returns the option `ssl` of `pg`; for `allow` and `prefer`, that of the first attempt.
 *
 * @throws UndropError `no-connection` if a certificate or key cannot be used
 */
export function tlsOptions(ssl: Tls): false | tls.ConnectionOptions {
  const [{ mode, rootCert, cert, key, crl, min, max }] = attempts(ssl);
  if (mode === 'disable') return false;
  const options: tls.ConnectionOptions = { rejectUnauthorized: mode !== 'require' };
  if (mode === 'verify-ca') options.checkServerIdentity = () => undefined;
  if (rootCert === 'system') Object.assign(options, systemAuthorities());
  else if (rootCert) options.ca = readPem(rootCert);
  if (crl) options.crl = readPem(crl);
  if (cert && key) Object.assign(options, { cert: readPem(cert), key: readKey(cert, key) });
  if (min) options.minVersion = min;
  if (max) options.maxVersion = max;
  return options;
}

/** The authorities that the system trusts; before Node 22.15, those that Node brings. */
function systemAuthorities(): tls.ConnectionOptions {
  const read: unknown = Reflect.get(tls, 'getCACertificates');
  return typeof read === 'function' ? { ca: read('system') } : {};
}

/** https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-CLIENTCERT */
function readKey(cert: string, key: string): string {
  if (!existsSync(key))
    throw bad(key, `The private key of the certificate ${cert} is missing.`, {
      reason: `The file ${key} does not exist.`,
      next: 'Set sslkey (PGSSLKEY) to the key of the certificate that sslcert (PGSSLCERT) names.',
    });
  const { mode, uid } = statSync(key);
  const open = mode & (uid === 0 ? 0o037 : 0o077);
  if (process.platform !== 'win32' && open !== 0)
    throw bad(key, `The private key ${key} can be used by other users.`, {
      reason: `Its mode is ${(mode & 0o777).toString(8).padStart(4, '0')}; libpq accepts at most 0600, or 0640 if root owns it.`,
      next: `Run: chmod 600 ${key}`,
    });
  return readPem(key);
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw bad(path, `The certificate or key ${path} cannot be read.`, {
      reason: (cause as Error).message,
      next: 'Correct sslrootcert, sslcert, sslkey or sslcrl, or the permissions of the file.',
      cause,
    });
  }
}

function bad(
  subject: string,
  message: string,
  facts: { reason: string; next: string; cause?: unknown },
): UndropError {
  return new UndropError('no-connection', { subject, message, ...facts });
}
