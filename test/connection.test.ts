import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { createServer, connect as dial, type Server } from 'node:net';
import os, { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { parse } from 'pg-connection-string';
import { UndropError } from '../src/errors.ts';
import { clientConfig, connect, describeTarget } from '../src/knex/connection.ts';
import { findTarget } from '../src/knex/find-target.ts';
import { libpqVariables, readSettings } from '../src/knex/settings.ts';
import { targetOfOption } from '../src/knex/target-of-option.ts';
import { tlsOptions } from '../src/knex/tls.ts';
import { unreachable } from '../src/knex/unreachable.ts';
import { skip } from './support/skip.ts';
import { useServer } from './support/use-database.ts';

const secret = 'geheim';

async function failure(work: () => unknown): Promise<UndropError> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof UndropError)) throw error;
    expect(inspect(error, { depth: 9, showHidden: true })).not.to.contain(secret);
    return error;
  }
  throw new Error('nothing was thrown');
}

/** What a user reads of it. */
async function refusal(work: () => unknown) {
  const { code, subject, message, reason, next } = await failure(work);
  return { code, subject, message, reason, next };
}

const to = (url: string) => findTarget({ DATABASE_URL: url });

describe('readSettings', () => {
  const read = (url: string, env: NodeJS.ProcessEnv = {}) => readSettings({ ...env, DATABASE_URL: url });

  it('parses all parts of a URL', () => {
    const settings = read('postgresql://o%40x:p%2Fw%25@db.example:6000/tur%20ing?sslrootcert=system');
    expect(settings).to.deep.include({ host: 'db.example', port: 6000, user: 'o@x', database: 'tur ing' });
    expect(settings.password).to.equal('p/w%');
    expect(settings.ssl.mode).to.equal('verify-full');
  });

  it('takes missing parts of a URL from the PG variables', () => {
    const settings = read('postgres:///turing', { PGHOST: 'h', PGPORT: '7', PGUSER: 'u', PGPASSWORD: 'p' });
    expect(settings).to.deep.include({ host: 'h', port: 7, user: 'u', password: 'p', database: 'turing' });
  });

  it('defaults to localhost, 5432 and a database with the name of the user', () => {
    const settings = readSettings({ PGUSER: 'someone', DATABASE_URL: '', PGHOST: '' });
    expect(settings).to.deep.include({ host: 'localhost', port: 5432, database: 'someone' });
    expect(settings.ssl.mode).to.equal('disable');
  });

  it('defaults to the user of the system; where it has no name, to USER', async () => {
    expect(readSettings({ PGHOST: 'h', USER: 'other' }).user).to.equal(os.userInfo().username);
    const { userInfo } = os;
    try {
      os.userInfo = () => {
        throw new Error('no such user');
      };
      syncBuiltinESMExports();
      expect(readSettings({ PGHOST: 'h', USER: 'other' })).to.include({ user: 'other', database: 'other' });
      expect(readSettings({ PGHOST: 'h', PGUSER: 'named' }).user).to.equal('named');
      const { code, subject, message, reason, next, cause } = await failure(() =>
        readSettings({ PGHOST: 'h' }),
      );
      expect({ code, subject, message, reason, next }).to.deep.equal({
        code: 'no-connection',
        subject: 'PGUSER',
        message: 'It is not known which user to connect as.',
        reason: 'None is given, and the operating system has no name for the user of this process.',
        next: 'Set PGUSER, or name the user in DATABASE_URL.',
      });
      expect(cause).to.have.property('message', 'no such user');
    } finally {
      os.userInfo = userInfo;
      syncBuiltinESMExports();
    }
  });

  for (const [url, host, port] of [
    ['postgres://u:p@/db?host=/run/pg&port=7', '/run/pg', 7],
    ['postgres://u@%2Frun%2Fpg:7/db', '/run/pg', 7],
    ['postgres://u@:7/db', 'localhost', 7],
    ['postgres://u@[::1]:7/db', '::1', 7],
  ] as const) {
    it(`finds host and port of ${url}`, () => {
      expect(read(url)).to.deep.include({ host, port, user: 'u', database: 'db' });
    });
  }

  for (const url of [
    secret,
    `mysql://u:${secret}@h/db`,
    `postgres://u:${secret}@h`,
    `postgres://u:${secret}@h/`,
    `postgres://u:${secret}@h:99999/db`,
    `postgres://u:${secret}@h:port/db`,
    `postgres://u:%${secret}@h/db`,
    `postgres://u:1/${secret}@h/db`,
    `postgres://u:1#${secret}@h/db`,
    `postgres://u:1?${secret}@h/db`,
    `postgres://u:${secret}@h/db?port=0`,
    `postgres://u:${secret}@h/db?sslmode=maybe`,
    `postgres://u:1/x?${secret}@h/db`,
    `postgres://u:1/x?${secret}&sslmode=a@h/db`,
    `postgres://u:1/x?a=1&${secret}=1@h/db`,
    `postgres://u:${secret}@h/db?sslmod=verify-full`,
  ]) {
    it(`refuses ${url} without printing the password`, async () => {
      const error = await failure(() => read(url));
      expect(error.code).to.equal('no-connection');
    });
  }

  for (const [query, reason] of [
    ['sslmod=verify-full', 'It has the unknown parameter sslmod; perhaps you meant sslmode.'],
    ['SSLMODE=require', 'It has the unknown parameter SSLMODE; perhaps you meant sslmode.'],
    ['ssl_root_cert=/ca', 'It has the unknown parameter ssl_root_cert; perhaps you meant sslrootcert.'],
    ['sslmode=require&usr=o', 'It has the unknown parameter usr; perhaps you meant user.'],
    [
      'schema=app&pgbouncer=true',
      'It has the unknown parameter schema. It has the unknown parameter pgbouncer.',
    ],
    ['sslmode', 'Its parameter sslmode has no value.'],
  ] as const) {
    it(`refuses ?${query}, and lists the known parameters`, async () => {
      const error = await failure(() => read(`postgres://u:${secret}@h/db?${query}`));
      expect(error).to.include({ code: 'no-connection', subject: 'DATABASE_URL' });
      expect(error.reason).to.equal(
        `${reason} The known parameters are host, port, dbname, user, password, options, ` +
          'service, sslmode, sslrootcert, sslcert, sslkey, sslcrl, ssl_min_protocol_version, ' +
          'ssl_max_protocol_version, channel_binding, target_session_attrs, ssl.',
      );
    });
  }

  it('accepts every known parameter, and ignores those that do not select a server, user or database', () => {
    const settings = read(
      'postgres://h/d?host=g&port=7&dbname=e&user=u&password=p&options=-c%20jit%3Doff&sslmode=verify-ca' +
        '&sslrootcert=/ca&sslcert=/cert&sslkey=/key&sslcrl=/crl&ssl_min_protocol_version=tlsv1.3' +
        '&ssl_max_protocol_version=TLSv1.3&application_name=a&connect_timeout=3&keepalives=1' +
        '&gssencmode=prefer&sslsni=1',
    );
    expect(settings).to.deep.equal({
      ...{ host: 'g', port: 7, user: 'u', database: 'e', password: 'p', options: '-c jit=off' },
      ssl: {
        ...{ mode: 'verify-ca', rootCert: '/ca', cert: '/cert', key: '/key', crl: '/crl' },
        ...{ min: 'TLSv1.3', max: 'TLSv1.3' },
      },
    });
  });

  for (const url of [
    'postgres://o%40x:p%2Fw%25@db.example:6000/turing',
    'postgresql://u:p@h/db?sslmode=require',
    'postgres://u:p@[::1]:7/db',
    'postgres://u:p@/db?host=/run/pg&port=7',
    'postgres://u:p@%2Frun%2Fpg/db',
    'postgres://u:%C3%BC%20%3A%3F%23%26@h:1/gr%C3%B6%C3%9Fe',
    'postgres://u@h/db?user=v&password=q',
    'postgres://u:a+b@h/a+b',
    'postgres://u:p@h/db?options=-c%20search_path%3Da,b',
  ]) {
    it(`reads ${url} as pg does`, () => {
      const { host, port, user, password, database, options } = parse(url);
      const settings = read(url, { PGUSER: 'unused', PGHOST: 'unused' });
      expect(settings).to.deep.include({ host, user, database, options });
      expect(settings.port).to.equal(Number(port || 5432));
      expect(settings.password ?? '').to.equal(password);
    });
  }

  it('accepts the parameters that hosting providers add, if their values are supported', async () => {
    const neon = read('postgres://u:p@h/d?sslmode=require&channel_binding=require');
    expect(neon).to.include({ enableChannelBinding: true });
    expect(neon.ssl.mode).to.equal('require');
    expect(read('postgres://h/d?target_session_attrs=read-write')).not.to.have.property(
      'enableChannelBinding',
    );
    expect(read('postgres://h/d?channel_binding=prefer')).to.include({ enableChannelBinding: true });
    for (const query of [
      'channel_binding=disable',
      'target_session_attrs=any',
      'target_session_attrs=primary',
    ])
      expect(read(`postgres://h/d?${query}`)).not.to.have.property('enableChannelBinding');
    for (const [parameter, value, variable, values] of [
      ['channel_binding', 'maybe', 'PGCHANNELBINDING', 'disable, prefer, require'],
      ['target_session_attrs', 'standby', 'PGTARGETSESSIONATTRS', 'any, read-write, primary'],
    ] as const)
      expect(await refusal(() => read(`postgres://h/d?${parameter}=${value}`))).to.deep.equal({
        code: 'no-connection',
        subject: parameter,
        message: `The value of ${parameter} is not supported.`,
        reason: `The values are ${values}.`,
        next: `Correct ${variable}, or ${parameter} in DATABASE_URL or the service.`,
      });
  });

  for (const [what, env, says] of [
    ['hosts with ports', { DATABASE_URL: `postgres://u:${secret}@a:1,b:2/db` }, 'several hosts'],
    ['hosts', { DATABASE_URL: `postgres://u:${secret}@a,b/db` }, 'several hosts'],
    ['IPv6 hosts', { DATABASE_URL: `postgres://u:${secret}@[::1]:1,[::2]:2/db` }, 'several hosts'],
    ['hosts as a parameter', { DATABASE_URL: `postgres://u:${secret}@/db?host=a,b` }, 'Several hosts'],
    ['hosts in PGHOST', { PGHOST: 'a,b', PGPASSWORD: secret }, 'Several hosts'],
    ['ports in PGPORT', { PGHOST: 'a', PGPORT: '1,2', PGPASSWORD: secret }, 'Several hosts'],
    ['hostaddr', { DATABASE_URL: `postgres://u:${secret}@h/db?hostaddr=::1` }, 'parameter hostaddr'],
    ['PGHOSTADDR', { DATABASE_URL: `postgres://u:${secret}@h/db`, PGHOSTADDR: '::1' }, 'PGHOSTADDR'],
    ['sslcrldir', { DATABASE_URL: `postgres://u:${secret}@h/db?sslcrldir=/x` }, 'parameter sslcrldir'],
    ['PGREQUIREAUTH', { PGHOST: 'h', PGREQUIREAUTH: 'scram-sha-256' }, 'PGREQUIREAUTH'],
    ['PGGSSENCMODE=require', { PGHOST: 'h', PGGSSENCMODE: 'require' }, 'PGGSSENCMODE'],
    ['a version', { PGHOST: 'h', PGSSLMODE: 'require', PGSSLMINPROTOCOLVERSION: 'TLSv9' }, 'TLSv9'],
    ['a weak mode with system', { PGHOST: 'h', PGSSLMODE: 'require', PGSSLROOTCERT: 'system' }, 'system'],
  ] as const) {
    it(`refuses ${what} by name`, async () => {
      const error = await failure(() => readSettings(env));
      expect(error.code).to.equal('no-connection');
      expect(`${error.message} ${error.reason}`).to.include(says);
    });
  }

  it('says what to do about a variable, a port and several hosts', async () => {
    expect(await refusal(() => readSettings({ PGHOST: 'h', PGHOSTADDR: '::1' }))).to.deep.equal({
      code: 'no-connection',
      subject: 'PGHOSTADDR',
      message: 'The variable PGHOSTADDR is not supported.',
      reason: 'The driver has no such setting, so the connection would differ from that of psql and pg_dump.',
      next: 'Write the address as the host. Unset PGHOSTADDR for this command.',
    });
    const { next } = await refusal(() => readSettings({ PGHOST: 'h', PGREQUIREPEER: 'postgres' }));
    expect(next).to.equal('Unset PGREQUIREPEER for this command.');
    for (const port of ['0', '65536', '1e3', ''.padStart(3), '-1'])
      expect(await refusal(() => readSettings({ PGHOST: 'h', PGPORT: port }))).to.deep.equal({
        code: 'no-connection',
        subject: 'port',
        message: 'The port of the server cannot be read.',
        reason: 'It is not a number from 1 to 65535.',
        next: 'Correct PGPORT, or the port in DATABASE_URL.',
      });
    for (const port of [1, 65535])
      expect(readSettings({ PGHOST: 'h', PGPORT: String(port) })).to.include({ port });
    expect(await refusal(() => readSettings({ PGHOST: 'a,b' }))).to.deep.equal({
      code: 'no-connection',
      subject: 'host',
      message: 'Several hosts or ports are given.',
      reason: 'Only one server can be worked on, and undrop cannot choose it.',
      next: 'Name the primary server alone: correct PGHOST and PGPORT, the service, or DATABASE_URL.',
    });
  });

  describe('with a service', () => {
    let folder: string;
    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'undrop-service-'));
      writeFileSync(
        join(folder, 'services'),
        `# comment\n[other]\nhost=other\n[main]\nhost=h\nport=7\ndbname=d\npassword=${secret}\nsslmode=require\n` +
          `\n[wrong]\nhost=h\n${secret}\n[addressed]\nhostaddr=::1\n`,
      );
    });
    after(() => rmSync(folder, { recursive: true }));
    const services = (env: NodeJS.ProcessEnv) =>
      readSettings({ PGUSER: 'u', PGSERVICEFILE: join(folder, 'services'), ...env });

    it('reads its parameters, which come after those of the URL and before the variables', () => {
      const { ssl, ...found } = services({ PGSERVICE: 'main', PGPORT: '8' });
      expect(found).to.deep.include({ host: 'h', port: 7, user: 'u', database: 'd', password: secret });
      expect(ssl.mode).to.equal('require');
      const url = 'postgres://v@g/?service=main';
      expect(services({ DATABASE_URL: url })).to.include({ host: 'g', port: 7, user: 'v', database: 'd' });
    });

    for (const [service, says] of [
      ['none', 'It is not defined in'],
      ['wrong', 'Line 13 of'],
      ['addressed', 'parameter hostaddr'],
    ] as const) {
      it(`refuses the service ${service}`, async () => {
        const error = await failure(() => services({ PGSERVICE: service }));
        expect(error).to.include({ code: 'no-connection', subject: service });
        expect(error.reason).to.include(says);
      });
    }
  });

  it('passes the same settings to libpq', () => {
    const settings = read(`postgres://u:${secret}@h:7/db?sslmode=no-verify&options=-c%20jit%3Doff`);
    expect(libpqVariables(settings)).to.deep.equal({
      PGHOST: 'h',
      PGPORT: '7',
      PGUSER: 'u',
      PGDATABASE: 'db',
      PGPASSWORD: secret,
      PGOPTIONS: '-c jit=off',
      PGSSLMODE: 'require',
      PGSSLROOTCERT: '/dev/null/nowhere',
      PGSSLCERT: '/dev/null/nowhere',
      PGSSLCRL: '/dev/null/nowhere',
      PGGSSENCMODE: 'disable',
    });
  });

  it('passes no files to libpq where there is no TLS', () => {
    expect(libpqVariables(read('postgres://u@h/db'))).to.deep.equal({
      PGHOST: 'h',
      PGPORT: '5432',
      PGUSER: 'u',
      PGDATABASE: 'db',
      PGSSLMODE: 'disable',
      PGGSSENCMODE: 'disable',
    });
  });

  it('interprets sslmode as libpq does', () => {
    const mode = (query: string) => read(`postgres://u@h/db?${query}`).ssl.mode;
    expect(mode('sslmode=prefer')).to.equal('prefer');
    expect(mode('sslmode=require&sslrootcert=/ca')).to.equal('verify-ca');
    expect(mode('sslrootcert=system')).to.equal('verify-full');
    expect(mode('ssl=true&sslrootcert=/ca')).to.equal('verify-full');
    expect(mode('host=/run&sslmode=require')).to.equal('disable');
    expect(tlsOptions({ mode: 'require' })).to.deep.equal({ rejectUnauthorized: false });
    expect(tlsOptions({ mode: 'verify-full' })).to.deep.equal({ rejectUnauthorized: true });
  });
});

describe('targetOfOption', () => {
  it('refuses a password, which all users of the host could read, without printing it', async () => {
    const work = () => targetOfOption('--prove-on', `postgres://u:${secret}@h/db`);
    expect(await refusal(work)).to.deep.equal({
      code: 'bad-options',
      subject: '--prove-on',
      message: 'The URL of --prove-on must not contain a password.',
      reason: 'All users of the host can read the arguments of a program.',
      next: 'Remove the password from the URL, and put it in ~/.pgpass or in the file that PGPASSFILE names.',
    });
  });

  it('takes what the URL leaves open from the variables only where they are passed', async () => {
    const env = { PGHOST: 'g', PGPORT: '7', PGPASSWORD: secret, DATABASE_URL: 'postgres://other' };
    const given = await targetOfOption('--to', 'postgres://u@h/db', env);
    expect(given.embedded).to.equal(undefined);
    expect(given.settings).to.include({ host: 'h', port: 7, user: 'u', database: 'db', password: secret });
    const alone = await targetOfOption('--to', 'postgres://u@h/db');
    expect(alone.settings).to.include({ host: 'h', port: 5432, user: 'u', password: undefined });
  });
});

describe('findTarget', () => {
  it('names the file and the variables if no database is named, and creates none', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'undrop-nowhere-'));
    writeFileSync(join(folder, 'package.json'), '{}');
    try {
      for (const env of [{}, { NODE_ENV: 'production', UNDROP_EMBEDDED: '1' }]) {
        const error = await failure(() => findTarget({ ...env, PGPASSWORD: secret }, { from: folder }));
        expect(error.code).to.equal('no-connection');
        expect(error.reason).to.include(join(folder, '.env'));
        for (const name of ['DATABASE_URL', 'PGHOST', 'PGSERVICE']) expect(error.reason).to.include(name);
        expect(error.next).to.contain('DATABASE_URL');
      }
      expect(readdirSync(folder)).to.deep.equal(['package.json']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('is described without the password', async () => {
    expect(describeTarget(await to(`postgres://owner:${secret}@db.example/turing`))).to.equal(
      'turing at db.example:5432 as owner',
    );
  });

  it('shows no password when its settings for pg are printed', async () => {
    const config = clientConfig(await to(`postgres://owner:${secret}@db.example/turing`));
    expect(config.password).to.equal(secret);
    expect(inspect(config)).not.to.contain(secret);
  });
});

describe('connect', () => {
  const server = useServer();
  let database: string;
  const proxies: Server[] = [];

  before(async () => {
    database = (await server.createDatabase()).name;
  });

  after(() => {
    for (const proxy of proxies) proxy.close();
  });

  /** Starts a proxy that changes the messages of the server. */
  async function through(change: (data: Buffer) => Buffer): Promise<string> {
    const { host, port } = server.config(database);
    const proxy = createServer((client) => {
      const upstream = dial(port, host);
      client.pipe(upstream);
      upstream.on('data', (data) => client.write(change(data)));
      upstream.on('close', () => client.end());
      for (const socket of [client, upstream]) socket.on('error', () => client.destroy());
    });
    proxies.push(proxy);
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    const url = new URL(server.url(database));
    url.hostname = '127.0.0.1';
    url.port = String((proxy.address() as { port: number }).port);
    return url.href;
  }

  it('sets application_name', async () => {
    const client = await connect(await to(server.url(database)));
    const { rows } = await client.query("select current_setting('application_name') as name");
    await client.end();
    expect(rows).to.deep.equal([{ name: 'knex-undrop' }]);
  });

  for (const [what, url, next] of [
    ['no server', () => `postgres://u:${secret}@127.0.0.1:1/db`, 'Start the server'],
    ['no socket', () => `postgres://u:${secret}@/db?host=/nowhere`, 'Start the server'],
    ['no such host', () => `postgres://u:${secret}@no.such.host.invalid/db`, 'PGHOST'],
    ['no database', () => server.url('nirgends'), 'createdb nirgends'],
    ['no role', () => server.url(database, 'nobody at all', secret), 'Create the role'],
    ['no TLS', () => `${server.url(database)}?sslmode=require`, 'sslmode'],
  ] as const) {
    it(`has a next step for ${what}`, async () => {
      const error = await failure(async () => connect(await to(url())));
      expect(error.code).to.equal('no-connection');
      expect(error.next).to.contain(next);
    });
  }

  it('has a next step for a wrong and for a missing password', async function () {
    if (!server.own) skip(this, 'not with UNDROP_TEST_URL');
    await server.sql('postgres', "create role pw_user login password 'right'");
    try {
      for (const password of [secret, undefined]) {
        const error = await failure(async () => connect(await to(server.url(database, 'pw_user', password))));
        expect(error.next).to.contain('PGPASSWORD');
      }
    } finally {
      await server.sql('postgres', 'drop role pw_user');
    }
  });

  it('has a next step for a server that is starting up, and for one that does not respond', () => {
    const settings = readSettings({ DATABASE_URL: 'postgres://u@h/db' });
    const starting = Object.assign(new Error('the database system is starting up'), { code: '57P03' });
    expect(unreachable(starting, settings).next).to.equal('Wait, and try again.');
    expect(unreachable(new Error('timeout expired'), settings).reason).to.contain('h:5432 does not answer');
  });

  it('refuses a pooler', async () => {
    // A pooler reports a process ID of its own.
    const url = await through((data) => {
      const key = data.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]));
      if (key >= 0) data.writeInt32BE(data.readInt32BE(key + 5) + 1, key + 5);
      return data;
    });
    const error = await failure(async () => connect(await to(url)));
    expect(error.code).to.equal('unsupported-server');
    expect(error.next).to.contain('Connect directly');
  });

  it('refuses a server before 14', async () => {
    const url = await through((data) =>
      Buffer.from(data.toString('latin1').replace(new RegExp(`${server.major}(00\\d\\d)`), '13$1'), 'latin1'),
    );
    const error = await failure(async () => connect(await to(url)));
    expect(error.code).to.equal('unsupported-server');
    expect(error.reason).to.contain('14, 15, 16, 17, 18');
  });
});
