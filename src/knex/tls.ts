import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { UndropError } from '../errors.ts';

/** TLS settings: the mode, as in libpq, and the paths of files. */
export interface Tls {
  mode: 'disable' | 'require' | 'verify-ca' | 'verify-full';
  rootCert?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
}

// `pg` cannot fall back from one mode to another, so `allow` and `prefer` mean the mode that libpq attempts first.
const modes: Readonly<Record<string, Tls['mode']>> = {
  disable: 'disable',
  allow: 'disable',
  prefer: 'require',
  require: 'require',
  'no-verify': 'require',
  'verify-ca': 'verify-ca',
  'verify-full': 'verify-full',
};

/** @throws UndropError `no-connection` for an unknown sslmode */
export function readTls(host: string, sslmode: string, paths: Omit<Tls, 'mode'>): Tls {
  const mode = Object.hasOwn(modes, sslmode) ? modes[sslmode] : undefined;
  if (mode === undefined) {
    throw new UndropError('no-connection', {
      subject: 'sslmode',
      message: `The sslmode ${JSON.stringify(sslmode)} is unknown.`,
      reason: `The modes are ${Object.keys(modes).join(', ')}.`,
      next: 'Correct PGSSLMODE, or sslmode in DATABASE_URL.',
    });
  }
  // As in libpq: no TLS over a Unix socket; with a root certificate, `require` verifies the server's certificate.
  if (host.startsWith('/')) return { mode: 'disable' };
  return { ...paths, mode: sslmode === 'require' && paths.rootCert ? 'verify-ca' : mode };
}

/**
 * Returns the option `ssl` of `pg`.
 *
 * @throws UndropError `no-connection` if a certificate or key cannot be read
 */
export function tlsOptions(tls: Tls): false | ConnectionOptions {
  if (tls.mode === 'disable') return false;
  const options: ConnectionOptions = { rejectUnauthorized: tls.mode !== 'require' };
  if (tls.mode === 'verify-ca') options.checkServerIdentity = () => undefined;
  if (tls.rootCert && tls.rootCert !== 'system') options.ca = readPem(tls.rootCert);
  if (tls.cert) options.cert = readPem(tls.cert);
  if (tls.key) options.key = readPem(tls.key);
  return options;
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new UndropError('no-connection', {
      subject: path,
      message: `The certificate or key ${path} cannot be read.`,
      reason: (cause as Error).message,
      next: 'Correct sslrootcert, sslcert or sslkey, or the permissions of the file.',
      cause,
    });
  }
}
