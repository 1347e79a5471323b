import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect } from 'chai';
import pg from 'pg';
import { UndropError } from '../src/errors.ts';
import { type EmbeddedServer, startEmbedded } from '../src/knex/embedded.ts';
import { keepEmbeddedCompiled } from './support/compiled.ts';
import { skip } from './support/skip.ts';

const { resolve } = createRequire(import.meta.url);

describe('embedded server', () => {
  let folder: string;
  let server: EmbeddedServer | undefined;

  before(keepEmbeddedCompiled);

  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'undrop-embedded-')), '.undrop');
  });

  afterEach(async () => {
    await server?.stop();
    server = undefined;
    rmSync(join(folder, '..'), { recursive: true, force: true });
  });

  async function query(text: string): Promise<Record<string, unknown>[]> {
    server = await startEmbedded(folder);
    const client = new pg.Client(server.settings);
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  }

  async function refused(promise: Promise<unknown>): Promise<UndropError> {
    const error = await promise.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof UndropError)) throw new Error(`no UndropError: ${error}`);
    return error;
  }

  it('accepts connections of the pg driver on the loopback interface', async () => {
    const [row] = await query(
      'select current_user as who, current_setting($$server_version_num$$)::int as version',
    );
    expect(row?.who).to.equal('postgres');
    expect(row?.version).to.be.within(180_000, 189_999);
    expect(server?.settings.host).to.equal('127.0.0.1');
  });

  it('is started once per folder, and can be restarted after a stop', async () => {
    await query('create table t (i int)');
    expect(await startEmbedded(join(folder, '.'))).to.equal(server);
    await server?.stop();
    expect(existsSync(join(folder, 'lock'))).to.equal(false);
    await server?.stop();
    expect(await refused(server?.dump() ?? Promise.resolve())).to.include({ code: 'backup-failed' });
    expect(await query('select i from t')).to.deep.equal([]);
  });

  it('gives each client a new session', async () => {
    await query(
      `select pg_advisory_lock(1); set lock_timeout = '7s'; create role other; set role other; begin`,
    );
    const [row] = await query(`select current_setting('lock_timeout') as timeout, current_user as who,
      (select count(*)::int from pg_locks where locktype = 'advisory') as locks`);
    expect(row).to.deep.equal({ timeout: '0', who: 'postgres', locks: 0 });
  });

  it('does not allow dropping system catalogs', async () => {
    const error = await query('drop table pg_catalog.pg_statistic').catch((reason: Error) => reason);
    expect(error).to.be.instanceOf(Error);
  });

  it('can be dumped beside an idle client, whose session is preserved', async () => {
    server = await startEmbedded(folder);
    const client = new pg.Client(server.settings);
    client.on('error', () => {});
    await client.connect();
    await client.query(`create table kept (i int); insert into kept values (42); set lock_timeout = '7s'`);
    expect(await server.dump()).to.include('INSERT INTO public.kept VALUES (42)');
    expect(await server.dump(['--schema-only']))
      .to.include('CREATE TABLE public.kept')
      .and.not.include('INSERT');
    const { rows } = await client.query(`select current_setting('lock_timeout') as timeout,
      current_setting('row_security') as security, current_setting('search_path') as path`);
    expect(rows).to.deep.equal([{ timeout: '7s', security: 'on', path: 'public' }]);
    await client.query('begin');
    const error = await refused(server.dump());
    expect(error).to.include({ code: 'backup-failed', reason: 'A client is in a transaction.' });
    await client.query('rollback');
    const wrong = await refused(server.dump(['--table=nowhere']));
    expect(wrong.reason).to.equal('pg_dump: error: no matching tables were found');
    await client.end();
  });

  it('dumps a table whose column list exceeds one piece of a message', async () => {
    const columns = Array.from({ length: 900 }, (_, index) => `column_number_${index} int`);
    await query(`create table wide (${columns}); insert into wide (column_number_899) values (42)`);
    expect(await server?.dump(['--data-only'])).to.match(/INSERT INTO public\.wide VALUES \(NULL, .*, 42\);/);
  });

  it('keeps the committed data of a killed process', async () => {
    const killed = inProcess(`
      await client.query('create table survivor (i int)');
      await client.query('insert into survivor values (1)');
      process.kill(process.pid, 'SIGKILL');`);
    expect(killed.signal).to.equal('SIGKILL');
    expect(existsSync(join(folder, 'lock'))).to.equal(true);
    expect(await query('select i from survivor')).to.deep.equal([{ i: 1 }]);
  });

  it('keeps the committed data of a process that ends with process.exit, as the Knex CLI does', async () => {
    const exited = inProcess(`await client.query('create table survivor (i int)'); process.exit(7);`);
    expect(exited.status).to.equal(7);
    expect(existsSync(join(folder, 'lock'))).to.equal(false);
    expect(await query('select i from survivor')).to.deep.equal([]);
  });

  it('starts with an empty database after a first start that was killed', async () => {
    await query('select 1');
    await server?.stop();
    rmSync(join(folder, 'pgdata/global/pg_control'));
    writeFileSync(join(folder, 'unfinished'), '');
    expect(await query('select 1 as one')).to.deep.equal([{ one: 1 }]);
  });

  it('does not keep the process running after its clients have disconnected', () => {
    expect(inProcess('await client.end();')).to.include({ status: 0, stderr: '' });
  });

  it('refuses a second process, with the PID of the first', async () => {
    const other = spawn(
      process.execPath,
      childArguments(`console.log('ready'); await client.query('select pg_sleep(0)');
      setInterval(() => {}, 1000);`),
    );
    try {
      await new Promise((resolve) => other.stdout.once('data', resolve));
      const error = await refused(startEmbedded(folder));
      expect(error.code).to.equal('in-use');
      expect(error.message).to.include(`process ${other.pid}`);
    } finally {
      other.kill('SIGKILL');
      await new Promise((resolve) => other.once('exit', resolve));
    }
    expect(await query('select 1 as one')).to.deep.equal([{ one: 1 }]);
  });

  it('takes over a lock file whose PID now belongs to another program', async function () {
    if (!existsSync('/proc/self/stat')) return skip(this, 'there is no /proc');
    await query('select 1');
    await server?.stop();
    writeFileSync(join(folder, 'lock'), `${process.ppid} 1\n`);
    await query('select 1');
    expect(readFileSync(join(folder, 'lock'), 'utf8')).to.match(new RegExp(`^${process.pid} `));
  });

  describe('in a folder that another PID namespace or host shares', () => {
    const unshare = ['--pid', '--fork', '--kill-child', process.execPath];
    const text = '1 1 elsewhere 4b0a pid:[1]\n';

    it('refuses while a process there uses it, and continues ten seconds after it was killed', async function () {
      if (spawnSync('unshare', [...unshare, '--version']).status !== 0) skip(this, 'unshare is not allowed');
      const other = spawn('unshare', [
        ...unshare,
        ...childArguments(`await client.query('create table t (i int)'); console.log('ready');
          await client.query('insert into t values (1)'); setInterval(() => {}, 1000);`),
      ]);
      try {
        await new Promise((resolve) => other.stdout.once('data', resolve));
        const error = await refused(startEmbedded(folder));
        expect(error.code).to.equal('in-use');
        expect(error.message).to.include(`process 1 on ${hostname()}`);
      } finally {
        other.kill('SIGKILL');
        await new Promise((resolve) => other.once('exit', resolve));
      }
      expect(await query('select i from t')).to.deep.equal([{ i: 1 }]);
    });

    it('refuses while the time of the lock changes', async () => {
      mkdirSync(folder);
      writeFileSync(join(folder, 'lock'), text);
      const beat = setInterval(() => utimesSync(join(folder, 'lock'), new Date(), new Date()), 500);
      const error = await refused(startEmbedded(folder)).finally(() => clearInterval(beat));
      expect(error.message).to.include('process 1 on elsewhere');
      expect(readFileSync(join(folder, 'lock'), 'utf8')).to.equal(text);
    });

    it('ends a server whose lock was replaced, and leaves that lock', async () => {
      server = await startEmbedded(folder);
      const client = new pg.Client(server.settings);
      const ended = new Promise((resolve) => client.once('error', resolve));
      await client.connect();
      writeFileSync(join(folder, 'lock'), text);
      await ended;
      await client.end().catch(() => undefined);
      expect(readFileSync(join(folder, 'lock'), 'utf8')).to.equal(text);
      await server.stop().catch(() => undefined);
      server = undefined;
    });
  });

  it('restricts its folder to the owner', async () => {
    await query('select 1');
    expect(statSync(folder).mode & 0o777).to.equal(0o700);
  });

  it('explains what to do if the optional packages are not installed', () => {
    const project = join(folder, '..');
    cpSync(fileURLToPath(new URL('../src', import.meta.url)), join(project, 'src'), { recursive: true });
    mkdirSync(join(project, 'node_modules'));
    symlinkSync(dirname(resolve('tsx/package.json')), join(project, 'node_modules/tsx'));
    writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
    const script = `import { startEmbedded } from './src/knex/embedded.ts';
      startEmbedded('x').catch((error) => console.log(String(error)));`;
    writeFileSync(join(project, 'script.ts'), script);
    const said = spawnSync(process.execPath, ['--import=tsx', 'script.ts'], {
      cwd: project,
      encoding: 'utf8',
    });
    expect(said.stdout).to.match(/^no-connection: .* is not installed/);
    const { devDependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
    const parts = Object.entries(devDependencies)
      .filter(([name]) => name.startsWith('@electric-sql/'))
      .map((one) => one.join('@'));
    const next = `next: Set DATABASE_URL, or run npm install --save-dev ${parts.join(' ')}.`;
    expect(parts).to.have.length(4);
    expect(said.stdout).to.include(next);
  });

  it('explains what to do if the data cannot be opened', async () => {
    await query('select 1');
    await server?.stop();
    server = undefined;
    rmSync(join(folder, 'pgdata/global/pg_control'));
    const error = await refused(startEmbedded(folder));
    expect(error.code).to.equal('no-connection');
    expect(error.subject).to.equal(folder);
    expect(existsSync(join(folder, 'lock'))).to.equal(false);
  });

  /** Starts a process that runs the server of the folder and connects `client` to it. */
  function inProcess(body: string): SpawnSyncReturns<string> {
    return spawnSync(process.execPath, childArguments(body), { encoding: 'utf8', timeout: 500_000 });
  }

  function childArguments(body: string): string[] {
    const script = join(folder, '../child.mts');
    writeFileSync(
      script,
      `import pg from '${pathToFileURL(resolve('pg'))}';
      import { startEmbedded } from '${new URL('../src/knex/embedded.ts', import.meta.url)}';
      const client = new pg.Client((await startEmbedded('${folder}')).settings);
      await client.connect();
      ${body}`,
    );
    return [`--import=${pathToFileURL(resolve('tsx'))}`, script];
  }
});
