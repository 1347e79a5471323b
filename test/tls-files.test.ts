import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { expect } from 'chai';
import { isUndropError, type UndropError } from '../src/errors.ts';
import { attempts, readTls, type Tls, tlsOptions } from '../src/knex/tls.ts';

describe('the files of TLS', () => {
  let home: string;
  const saved = { HOME: process.env.HOME, APPDATA: process.env.APPDATA };
  const platform = Object.getOwnPropertyDescriptor(process, 'platform') as PropertyDescriptor;

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'undrop-home-'));
    process.env.HOME = home;
    mkdirSync(join(home, '.postgresql'));
  });

  afterEach(() => {
    Object.defineProperty(process, 'platform', platform);
    for (const [name, value] of Object.entries(saved)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    rmSync(home, { recursive: true, force: true });
  });

  const own = (name: string) => join(home, '.postgresql', name);
  const place = (name: string, path = own(name)): string => {
    writeFileSync(path, `contents of ${name}`, { mode: 0o600 });
    return path;
  };
  const placeAll = () =>
    ['root.crt', 'root.crl', 'postgresql.crt', 'postgresql.key'].map((name) => place(name));

  function onWindows(): void {
    Object.defineProperty(process, 'platform', { ...platform, value: 'win32' });
    process.env.APPDATA = join(home, 'AppData');
    mkdirSync(join(home, 'AppData/postgresql'), { recursive: true });
  }

  function refusal(work: () => unknown): Omit<UndropError, keyof Error> & { message: string } {
    try {
      work();
    } catch (error) {
      if (!isUndropError(error)) throw error;
      const { code, subject, message, reason, next } = error;
      return { code, subject, message, reason, next } as UndropError;
    }
    throw new Error('it was not refused');
  }

  it('are those in ~/.postgresql', () => {
    expect(readTls('h', { sslmode: 'require' })).to.deep.equal({
      ...{ mode: 'require', rootCert: undefined, cert: undefined, key: undefined, crl: undefined },
      ...{ min: undefined, max: undefined },
    });
    const [rootCert, crl, cert, key] = placeAll();
    for (const [sslmode, mode] of [
      ['allow', 'allow'],
      ['prefer', 'prefer'],
      ['require', 'verify-ca'],
      ['verify-ca', 'verify-ca'],
      ['verify-full', 'verify-full'],
    ] as const)
      expect(readTls('h', { sslmode })).to.deep.include({ mode, rootCert, cert, key, crl });
    expect(readTls('h', { sslmode: 'no-verify' })).to.deep.include({
      ...{ mode: 'require', rootCert: undefined, cert, key, crl: undefined },
    });
    for (const given of [{ sslmode: 'disable' }, {}])
      expect(readTls('h', given)).to.deep.equal({ mode: 'disable' });
  });

  it('are those that are given, and a list of revoked certificates needs an authority', () => {
    placeAll();
    const given = { sslrootcert: '/ca', sslcrl: '/crl', sslcert: '/cert', sslkey: '/key' };
    expect(readTls('h', { sslmode: 'verify-full', ...given })).to.deep.include({
      ...{ mode: 'verify-full', rootCert: '/ca', cert: '/cert', key: '/key', crl: '/crl' },
    });
    rmSync(own('root.crt'));
    expect(readTls('h', { sslmode: 'prefer', sslcrl: '/crl' })).to.have.property('crl', undefined);
  });

  it('are in %APPDATA% on Windows, where the mode of a file says nothing', () => {
    onWindows();
    const [cert, key] = ['postgresql.crt', 'postgresql.key'].map((name) => {
      const path = place(name, join(home, 'AppData/postgresql', name));
      chmodSync(path, 0o644);
      return path;
    });
    const found = readTls('h', { sslmode: 'require' });
    expect(found).to.include({ cert, key });
    expect(tlsOptions(found)).to.include({ key: 'contents of postgresql.key' });
    delete process.env.APPDATA;
    expect(refusal(() => readTls('h', { sslmode: 'verify-ca' })).reason).to.equal(
      `None is given, and ${join('postgresql', 'root.crt')} does not exist.`,
    );
  });

  it('must include an authority to verify the server', () => {
    for (const sslmode of ['verify-ca', 'verify-full'])
      expect(refusal(() => readTls('h', { sslmode }))).to.deep.equal({
        code: 'no-connection',
        subject: 'sslrootcert',
        message: `sslmode=${sslmode} needs the certificate of the authority.`,
        reason: `None is given, and ${own('root.crt')} does not exist.`,
        next: 'Set sslrootcert (PGSSLROOTCERT) to its file, or to system for the authorities that this system trusts.',
      });
  });

  it('do not matter for a mode or a version that does not exist', () => {
    expect(refusal(() => readTls('h', { sslmode: 'maybe' }))).to.deep.equal({
      code: 'no-connection',
      subject: 'sslmode',
      message: 'The sslmode "maybe" is unknown.',
      reason: 'The modes are disable, allow, prefer, require, no-verify, verify-ca, verify-full.',
      next: 'Correct PGSSLMODE, or sslmode in DATABASE_URL.',
    });
    const versions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];
    for (const version of versions)
      expect(
        readTls('h', { sslmode: 'require', ssl_max_protocol_version: version.toUpperCase() }),
      ).to.include({
        max: version,
      });
    for (const parameter of ['ssl_min_protocol_version', 'ssl_max_protocol_version'])
      expect(refusal(() => readTls('h', { sslmode: 'require', [parameter]: 'TLSv9' }))).to.deep.equal({
        code: 'no-connection',
        subject: parameter,
        message: `The ${parameter} "TLSv9" is unknown.`,
        reason: `The versions are ${versions.join(', ')}.`,
        next: `Correct ${parameter}.`,
      });
    expect(refusal(() => readTls('h', { sslmode: 'require', sslrootcert: 'system' }))).to.deep.equal({
      code: 'no-connection',
      subject: 'sslrootcert',
      message: 'sslrootcert=system cannot be used with sslmode=require.',
      reason:
        'Anyone can get a certificate that the system trusts, so the name of the host must be verified.',
      next: 'Set sslmode=verify-full.',
    });
  });

  it('are read for pg, and only what the mode demands is verified', () => {
    const [rootCert, crl, cert, key] = placeAll();
    const files = { rootCert, crl, cert, key } as const;
    const { checkServerIdentity, ...options } = optionsOf({ mode: 'verify-ca', ...files, min: 'TLSv1.2' });
    expect(options).to.deep.equal({
      rejectUnauthorized: true,
      ca: 'contents of root.crt',
      crl: 'contents of root.crl',
      cert: 'contents of postgresql.crt',
      key: 'contents of postgresql.key',
      minVersion: 'TLSv1.2',
    });
    if (checkServerIdentity === undefined) throw new Error('Node verifies the name of the host');
    expect(checkServerIdentity('other', {} as tls.PeerCertificate)).to.equal(undefined);
    expect(optionsOf({ mode: 'verify-full', rootCert, max: 'TLSv1.3' })).to.deep.equal({
      rejectUnauthorized: true,
      ca: 'contents of root.crt',
      maxVersion: 'TLSv1.3',
    });
    expect(tlsOptions({ mode: 'require' })).to.deep.equal({ rejectUnauthorized: false });
    expect(tlsOptions({ mode: 'disable' })).to.equal(false);
    // Without its key, a certificate proves nothing.
    expect(tlsOptions({ mode: 'require', cert })).to.deep.equal({ rejectUnauthorized: false });
    expect(tlsOptions({ mode: 'require', key })).to.deep.equal({ rejectUnauthorized: false });
  });

  it('are tried as libpq does', () => {
    const files = { rootCert: '/ca', cert: '/cert', key: '/key' };
    const without = { mode: 'disable' };
    expect(attempts({ mode: 'prefer', ...files })).to.deep.equal([{ mode: 'verify-ca', ...files }, without]);
    expect(attempts({ mode: 'allow', ...files })).to.deep.equal([without, { mode: 'verify-ca', ...files }]);
    expect(attempts({ mode: 'prefer' })).to.deep.equal([{ mode: 'require' }, without]);
    expect(attempts({ mode: 'allow' })).to.deep.equal([without, { mode: 'require' }]);
    for (const mode of ['disable', 'require', 'verify-ca', 'verify-full'] as const)
      expect(attempts({ mode, ...files })).to.deep.equal([{ mode, ...files }]);
  });

  it('are not needed for the authorities of the system', () => {
    const name = 'getCACertificates';
    const real = Object.getOwnPropertyDescriptor(tls, name);
    const ssl: Tls = { mode: 'verify-full', rootCert: 'system' };
    try {
      const value = (which: string) => [`authorities of the ${which}`];
      Object.defineProperty(tls, name, { configurable: true, value });
      expect(tlsOptions(ssl)).to.deep.equal({ rejectUnauthorized: true, ca: ['authorities of the system'] });
      Object.defineProperty(tls, name, { configurable: true, value: undefined });
      expect(tlsOptions(ssl)).to.deep.equal({ rejectUnauthorized: true });
    } finally {
      if (real === undefined) Reflect.deleteProperty(tls, name);
      else Object.defineProperty(tls, name, real);
    }
  });

  it('are refused if the private key is missing', () => {
    const ssl: Tls = { mode: 'require', cert: place('postgresql.crt'), key: own('no.key') };
    expect(refusal(() => tlsOptions(ssl))).to.deep.equal({
      code: 'no-connection',
      subject: ssl.key,
      message: `The private key of the certificate ${ssl.cert} is missing.`,
      reason: `The file ${ssl.key} does not exist.`,
      next: 'Set sslkey (PGSSLKEY) to the key of the certificate that sslcert (PGSSLCERT) names.',
    });
  });

  it('are refused if others can use the private key; the group may read one of root', function () {
    if (platform.value === 'win32') this.skip();
    const [cert, key] = [place('postgresql.crt'), place('postgresql.key')];
    const refused = (mode: number) => {
      chmodSync(key, mode);
      return refusal(() => tlsOptions({ mode: 'require', cert, key }));
    };
    const isRoot = process.getuid?.() === 0;
    if (isRoot) {
      chmodSync(key, 0o640);
      expect(tlsOptions({ mode: 'require', cert, key })).to.include({ key: 'contents of postgresql.key' });
      expect(refused(0o660).reason).to.match(/^Its mode is 0660; /);
      chownSync(key, 65534, 65534);
    }
    expect(refused(0o640)).to.deep.equal({
      code: 'no-connection',
      subject: key,
      message: `The private key ${key} can be used by other users.`,
      reason: 'Its mode is 0640; libpq accepts at most 0600, or 0640 if root owns it.',
      next: `Run: chmod 600 ${key}`,
    });
    expect(refused(0o004).reason).to.match(/^Its mode is 0004; /);
  });

  it('are refused if they cannot be read', () => {
    const rootCert = own('nowhere.crt');
    const { reason, ...others } = refusal(() => tlsOptions({ mode: 'verify-full', rootCert }));
    expect(others).to.deep.equal({
      code: 'no-connection',
      subject: rootCert,
      message: `The certificate or key ${rootCert} cannot be read.`,
      next: 'Correct sslrootcert, sslcert, sslkey or sslcrl, or the permissions of the file.',
    });
    expect(reason).to.match(/ENOENT/);
  });
});

function optionsOf(ssl: Tls): tls.ConnectionOptions {
  const options = tlsOptions(ssl);
  if (options === false) throw new Error('the connection has no TLS');
  return options;
}
