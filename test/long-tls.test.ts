import { execFile } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { isUndropError, type UndropError } from '../src/errors.ts';
import { connect } from '../src/knex/connection.ts';
import { findTarget } from '../src/knex/find-target.ts';
import { libpqVariables, readSettings } from '../src/knex/settings.ts';
import { settleTls } from '../src/knex/settle-tls.ts';
import { startServer, type TestServer } from './support/server.ts';
import { skip } from './support/skip.ts';

const psql = process.env.PSQL ?? '/usr/lib/postgresql/15/bin/psql';
const run = promisify(execFile);

/** A private certificate authority in a folder. */
async function makeAuthority(folder: string): Promise<void> {
  const openssl = (...args: string[]) => run('openssl', args, { cwd: folder });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  for (const ca of ['ca', 'other'])
    await openssl('req', '-x509', ...key, '-subj', `/CN=${ca}`, '-keyout', `${ca}.key`, '-out', `${ca}.crt`);
  for (const [name, ca, subject, alternative] of [
    ['server', 'ca', '/CN=localhost', 'DNS:localhost'],
    ['client', 'ca', '/CN=certified', 'DNS:certified'],
    ['stranger', 'other', '/CN=certified', 'DNS:certified'],
  ] as const) {
    await openssl(
      'req',
      ...key.slice(0, 5),
      '-subj',
      subject,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
    );
    writeFileSync(join(folder, `${name}.ext`), `subjectAltName=${alternative}`);
    const signed = ['-CA', `${ca}.crt`, '-CAkey', `${ca}.key`, '-set_serial', '7', '-days', '2'];
    await openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      ...signed,
      '-extfile',
      `${name}.ext`,
      '-out',
      `${name}.crt`,
    );
  }
  // Two lists: an empty one, and one that revokes the server's certificate.
  const config = '[ca]\ndefault_ca=a\n[a]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=2\n';
  writeFileSync(join(folder, 'ca.cnf'), config);
  writeFileSync(join(folder, 'index.txt'), '');
  const ca = ['ca', '-config', 'ca.cnf', '-keyfile', 'ca.key', '-cert', 'ca.crt'];
  await openssl(...ca, '-gencrl', '-out', 'empty.crl');
  await openssl(...ca, '-revoke', 'server.crt');
  await openssl(...ca, '-gencrl', '-out', 'revoking.crl');
}

describe('TLS', () => {
  let folder: string;
  let home: string;
  let server: TestServer;
  let plain: TestServer;
  let saved: string | undefined;
  const pem = (name: string) => join(folder, name);

  before(async function () {
    if (process.env.UNDROP_TEST_SERVER === 'embedded') skip(this, 'PGlite has no TLS');
    if (!existsSync(psql)) skip(this, `there is no ${psql}`);
    saved = process.env.HOME;
    folder = mkdtempSync(join(tmpdir(), 'undrop-tls-'));
    chmodSync(folder, 0o755);
    home = join(folder, 'home');
    await makeAuthority(folder);
    for (const name of ['server.key']) {
      chmodSync(pem(name), 0o600);
      if (process.getuid?.() === 0) chownSync(pem(name), 65534, 65534);
    }
    const settings = { ssl: 'on', ssl_cert_file: pem('server.crt'), ssl_key_file: pem('server.key') };
    server = await startServer({ settings: { ...settings, ssl_ca_file: pem('ca.crt') } });
    plain = await startServer();
    // Each role can connect in one way only.
    const hba = join(server.folder ?? '', 'data/pg_hba.conf');
    writeFileSync(
      hba,
      [
        ...['hostssl all encrypted all trust', 'hostnossl all unencrypted all trust'],
        ...['hostssl all certified all cert', 'hostssl all secret all scram-sha-256'],
        ...['host all encrypted,unencrypted,certified,secret all reject', readFileSync(hba, 'utf8')],
      ].join('\n'),
    );
    await server.sql(
      'postgres',
      `select pg_reload_conf(); create role encrypted login; create role unencrypted login;
       create role certified login; create role secret login password 'right'`,
    );
  });

  beforeEach(() => {
    mkdirSync(join(home, '.postgresql'), { recursive: true });
    process.env.HOME = home;
  });

  afterEach(() => {
    process.env.HOME = saved;
    rmSync(home, { recursive: true, force: true });
  });

  after(async () => {
    await server?.stop();
    await plain?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  /** Copies a file to ~/.postgresql. */
  function own(name: string, from: string, mode = 0o600): void {
    const path = join(home, '.postgresql', name);
    cpSync(pem(from), path);
    chmodSync(path, mode);
  }

  const variables = (user: string, more: NodeJS.ProcessEnv, where = server): NodeJS.ProcessEnv => ({
    ...{ PGHOST: 'localhost', PGPORT: String(where.config('postgres').port) },
    ...{ PGUSER: user, PGDATABASE: 'postgres', ...more },
  });

  const inUse =
    "select case when ssl then 'TLS' else 'no TLS' end as found from pg_stat_ssl where pid = pg_backend_pid()";

  async function ours(env: NodeJS.ProcessEnv): Promise<string> {
    try {
      const client = await connect(await findTarget(env));
      const { rows } = await client.query(inUse);
      await client.end();
      return rows[0].found;
    } catch (error) {
      if (!isUndropError(error)) throw error;
      return 'refused';
    }
  }

  async function psqlOf(env: NodeJS.ProcessEnv): Promise<string> {
    try {
      const { PATH } = process.env;
      const { stdout } = await run(psql, ['-X', '-A', '-t', '-w', '-c', inUse], {
        env: { PATH, HOME: home, ...env },
      });
      return stdout.trim();
    } catch {
      return 'refused';
    }
  }

  /** What a program of PostgreSQL does that we start. */
  async function started(env: NodeJS.ProcessEnv): Promise<string> {
    try {
      return await psqlOf(libpqVariables(await settleTls(readSettings(env))));
    } catch (error) {
      if (!isUndropError(error)) throw error;
      return 'refused';
    }
  }

  const modes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];
  const files: Record<string, () => NodeJS.ProcessEnv> = {
    'no files': () => ({}),
    'root.crt': () => {
      own('root.crt', 'ca.crt');
      return {};
    },
    'the root.crt of another authority': () => {
      own('root.crt', 'other.crt');
      return {};
    },
    'root.crt and a root.crl that revokes the certificate': () => {
      own('root.crt', 'ca.crt');
      own('root.crl', 'revoking.crl');
      return {};
    },
    'root.crt and an empty sslcrl': () => {
      own('root.crt', 'ca.crt');
      return { PGSSLCRL: pem('empty.crl') };
    },
    sslrootcert: () => ({ PGSSLROOTCERT: pem('ca.crt') }),
    'the client certificate in ~/.postgresql': () => {
      own('postgresql.crt', 'client.crt');
      own('postgresql.key', 'client.key');
      return {};
    },
    'sslcert and sslkey': () => ({ PGSSLCERT: pem('client.crt'), PGSSLKEY: pem('client.key') }),
    'the certificate of a stranger': () => ({
      PGSSLCERT: pem('stranger.crt'),
      PGSSLKEY: pem('stranger.key'),
    }),
    'a client certificate without a key': () => {
      own('postgresql.crt', 'client.crt');
      return {};
    },
    'a key that others can read': () => {
      own('postgresql.crt', 'client.crt');
      own('postgresql.key', 'client.key', 0o644);
      return {};
    },
    'a version that the server does not have': () => ({
      PGSSLMINPROTOCOLVERSION: 'TLSv1.1',
      PGSSLMAXPROTOCOLVERSION: 'TLSv1.1',
    }),
    'a minimum version': () => ({ PGSSLMINPROTOCOLVERSION: 'TLSv1.3' }),
  };

  for (const [what, place] of Object.entries(files)) {
    it(`connects as psql does, and so does what we start, with ${what}`, async () => {
      const env = place();
      const results: Record<string, string> = {};
      for (const mode of modes) {
        const check = async (user: string, where: TestServer) => {
          const given = variables(user, { PGSSLMODE: mode, ...env }, where);
          const [found, ...same] = await Promise.all([psqlOf(given), ours(given), started(given)]);
          const name = `${mode}, ${user}${where === plain ? ', a server without TLS' : ''}`;
          results[name] = found;
          expect(same, name).to.deep.equal([found, found]);
        };
        const users = ['postgres', 'encrypted', 'unencrypted', 'certified'];
        await Promise.all([...users.map((user) => check(user, server)), check('postgres', plain)]);
      }
      expect(new Set(Object.values(results))).to.include('no TLS');
    });
  }

  async function refusal(env: NodeJS.ProcessEnv): Promise<UndropError> {
    try {
      await (await connect(await findTarget(env))).end();
    } catch (error) {
      if (!isUndropError(error)) throw error;
      expect(error.code).to.equal('no-connection');
      return error;
    }
    throw new Error('it was not refused');
  }

  it('verifies the name of the host with verify-full only', async () => {
    own('root.crt', 'ca.crt');
    const given = variables('postgres', { PGHOST: '127.0.0.1' });
    expect(await ours({ ...given, PGSSLMODE: 'verify-ca' })).to.equal('TLS');
    expect(await refusal({ ...given, PGSSLMODE: 'verify-full' }))
      .to.have.property('reason')
      .that.includes('TLS');
  });

  it('names sslcert and sslkey if the server asks for a client certificate, and rejects one', async () => {
    const missing = await refusal(variables('certified', { PGSSLMODE: 'require' }));
    expect(missing.next).to.include('sslcert').and.include('sslkey').and.include('PGSSLCERT');
    const stranger = { PGSSLCERT: pem('stranger.crt'), PGSSLKEY: pem('stranger.key') };
    expect((await refusal(variables('certified', { PGSSLMODE: 'require', ...stranger }))).next).to.include(
      'sslcert',
    );
  });

  it('names the private key if it is missing or can be read by others, and how to correct it', async () => {
    own('postgresql.crt', 'client.crt');
    const given = variables('certified', { PGSSLMODE: 'require' });
    expect((await refusal(given)).next).to.include('sslkey');
    own('postgresql.key', 'client.key', 0o640);
    const { subject } = await refusal({ ...given, PGSSLKEY: pem('nowhere.key') });
    expect(subject).to.equal(pem('nowhere.key'));
    if (process.getuid?.() !== 0) expect((await refusal(given)).next).to.include('chmod 600');
    own('postgresql.key', 'client.key', 0o604);
    expect((await refusal(given)).next).to.equal(
      `Run: chmod 600 ${join(home, '.postgresql/postgresql.key')}`,
    );
  });

  it('names sslrootcert if no authority is known', async () => {
    for (const PGSSLMODE of ['verify-ca', 'verify-full']) {
      const error = await refusal(variables('postgres', { PGSSLMODE }));
      expect(error.next).to.include('sslrootcert').and.include('system');
      expect(error.reason).to.include(join(home, '.postgresql/root.crt'));
    }
  });

  it('reports a wrong password instead of the encryption that the server does not offer', async () => {
    for (const PGSSLMODE of ['prefer', 'allow']) {
      const error = await refusal(variables('secret', { PGSSLMODE, PGPASSWORD: 'wrong' }));
      expect(error.next, PGSSLMODE).to.include('PGPASSWORD');
    }
    expect(await ours(variables('secret', { PGSSLMODE: 'prefer', PGPASSWORD: 'right' }))).to.equal('TLS');
  });

  it('does not accept a private authority with sslrootcert=system', async () => {
    const error = await refusal(variables('postgres', { PGSSLROOTCERT: 'system' }));
    expect(error.reason).to.include('TLS');
  });

  it('does not verify with no-verify, whatever files there are', async () => {
    own('root.crt', 'other.crt');
    const given = variables('postgres', { PGSSLMODE: 'no-verify' });
    expect([await ours(given), await started(given)]).to.deep.equal(['TLS', 'TLS']);
  });
});
