import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import type { Progress } from '../src/backup/dump/dump-progress.ts';
import { readManifest } from '../src/backup/manifest.ts';
import { measure } from '../src/backup/measure.ts';
import type { PgDump } from '../src/backup/programs/find-pg-dump.ts';
import { type Backup, type BackupOptions, backup } from '../src/backup/take/take-backup.ts';
import type { ErrorCode, UndropError } from '../src/errors.ts';
import { quietly } from '../src/text/log.ts';
import { fakePgDump } from './support/fake-pg-dump.ts';
import { refusalOf, runner, withEnvironment } from './support/migrate.ts';
import { pausedPgDump } from './support/paused-pg-dump.ts';
import { nativeOrSkip } from './support/pg-dump.ts';
import { makeProject } from './support/project.ts';
import type { ConnectionConfig } from './support/server.ts';
import { skip } from './support/skip.ts';
import { until } from './support/until.ts';
import { useServer } from './support/use-database.ts';

const ssl = { mode: 'disable' as const };

describe('a backup by the real pg_dump', () => {
  const server = useServer();
  let native: PgDump;
  let database: string;
  let folder: string;
  let backups: string;

  before(async function () {
    native = await nativeOrSkip(this, server.major);
  });

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-take-'));
    backups = join(folder, 'backups');
    database = (await server.createDatabase()).name;
    await server.sql(
      database,
      `create schema app;
      create table app.big as select i, repeat(md5(i::text), 4) as text from generate_series(1, 20000) as i;
      create table "Odd ""one"".x" as select i from generate_series(1, 7) as i;
      create table parent (id int, at int) partition by range (at);
      create table part partition of parent for values from (0) to (10);
      insert into parent select i, i % 10 from generate_series(1, 30) as i;
      create table above (id int);
      create table below () inherits (above);
      insert into above values (1);
      insert into below values (2), (3);
      create sequence counter`,
    );
  });

  afterEach(async () => {
    await server.dropDatabase(database);
    rmSync(folder, { recursive: true, force: true });
  });

  const sql = <Row = Record<string, unknown>>(text: string) => server.sql<Row>(database, text);
  const files = () => (existsSync(backups) ? readdirSync(backups) : []);

  async function take(
    options: Partial<BackupOptions> = {},
    { user, password, pgDump = native.path }: { user?: string; password?: string; pgDump?: string } = {},
    config: ConnectionConfig = server.config(database, user, password),
  ): Promise<Backup> {
    const { knex, end } = runner(config as unknown as string);
    try {
      const target = { settings: { ...config, ssl }, embedded: undefined };
      return await withEnvironment({ PG_DUMP: pgDump }, () =>
        quietly(() => backup(knex, target, { folder: backups, ...options })),
      );
    } finally {
      await end();
    }
  }

  /** Checks that there are no files on disk and no records in the archive. */
  async function refused(work: Promise<unknown>, code: ErrorCode): Promise<UndropError> {
    const error = await refusalOf(work, code);
    expect(files()).to.deep.equal([]);
    expect(await sql('select from undrop.backups')).to.deep.equal([]);
    return error;
  }

  for (const options of [
    { format: 'custom' },
    { format: 'directory', jobs: 2 },
    { format: 'plain' },
    { format: 'plain', compress: '1' },
  ] as const) {
    it(`has a manifest and a record that describe it: ${Object.values(options).join(' ')}`, async () => {
      const taken = await take(options);
      const { manifest, sha256 } = await readManifest(taken.file);
      expect(manifest).to.include({ format: options.format, proof: 'contents', file: basename(taken.file) });
      expect(manifest.database).to.include({
        name: database,
        owner: 'postgres',
        encoding: 'UTF8',
        collate: 'C',
      });
      const { bytes, sha256: sum, files: list } = await measure(taken.file);
      expect([manifest.bytes, manifest.sha256, manifest.files]).to.deep.equal([bytes, sum, list]);
      const rows = manifest.tables.filter(({ schema }) => schema !== 'undrop');
      expect(rows).to.deep.equal([
        { schema: 'app', name: 'big', rows: 20_000 },
        { schema: 'public', name: 'Odd "one".x', rows: 7 },
        { schema: 'public', name: 'above', rows: 1 },
        { schema: 'public', name: 'below', rows: 2 },
        { schema: 'public', name: 'parent', rows: 0 },
        { schema: 'public', name: 'part', rows: 30 },
      ]);
      const [row] = await sql(`
        select to_json(b) ->> 'started_at' as "startedAt", to_json(b) ->> 'finished_at' as "finishedAt", lsn, sha256,
          manifest_sha256 as "manifestSha256", bytes::int, format, proof, file,
          started_at <= finished_at and lsn <= pg_current_wal_lsn() as sane
        from undrop.backups as b`);
      const { file, lsn, startedAt, finishedAt, manifestSha256, format, proof } = taken;
      const told = { file, lsn, startedAt, finishedAt, manifestSha256, format, proof, bytes, sha256: sum };
      expect(row).to.deep.equal({ ...told, sane: true });
      expect(manifest).to.include({ lsn, startedAt, finishedAt });
      expect(sha256).to.equal(manifestSha256);
      const stamp = startedAt.replaceAll(/[-:]|\..*/g, '').replace('T', '_');
      expect(basename(file)).to.include(`by_pre_cleanup_${stamp}.`);
      expect(files()).to.have.length(2);
      expect(statSync(taken.manifest).mode & 0o777).to.equal(0o600);
      if (list === undefined) expect(statSync(file).mode & 0o777).to.equal(0o600);
      for (const { name } of list ?? []) expect(statSync(join(file, name)).mode & 0o777).to.equal(0o600);
      if (taken.file.endsWith('.gz')) {
        expect(gunzipSync(readFileSync(file)).toString()).to.include('PostgreSQL database dump complete');
      }
    });
  }

  it('dumps and counts rows in the same snapshot', async () => {
    const paused = pausedPgDump(folder, native);
    const seen: Progress[] = [];
    const work = take({ format: 'plain', onProgress: (one) => seen.push(one) }, { pgDump: paused.path });
    await paused.paused();
    await sql(`insert into parent values (99, 9); delete from above; create table late ()`);
    await until(() => seen.length > 0);
    paused.resume();
    const { file, tables } = await work;
    const text = readFileSync(file, 'utf8');
    expect(text).not.to.include('CREATE TABLE public.late');
    const [, part = ''] = /COPY public\.part .*\n((?:.*\n)*?)\\\./.exec(text) ?? [];
    expect(part.split('\n')).to.have.length(31);
    expect(tables).to.equal(6);
    const { manifest } = await readManifest(file);
    expect(manifest.tables.find(({ name }) => name === 'part')).to.have.property('rows', 30);
    expect(manifest.tables.find(({ name }) => name === 'above')).to.have.property('rows', 1);
    expect(seen[0]).to.include({ table: 'app.big', share: 0 });
  });

  it('can be taken without a proof, which is recorded', async () => {
    const { file, proof } = await take({ prove: 'off' });
    expect(proof).to.equal('off');
    expect((await readManifest(file)).manifest.proof).to.equal('off');
    expect(await sql('select proof from undrop.backups')).to.deep.equal([{ proof: 'off' }]);
  });

  it('can be taken twice at the same time', async () => {
    const both = await Promise.all([take(), take()]);
    expect(new Set(both.map(({ id }) => id))).to.have.length(2);
    expect(new Set(both.map(({ file }) => file))).to.have.length(2);
    expect(files()).to.have.length(4);
    for (const { file, sha256 } of both) expect((await measure(file)).sha256).to.equal(sha256);
  });

  it('works with unusual names and passwords', async function () {
    if (!server.own) {
      skip(this, 'not with UNDROP_TEST_URL');
    }
    const odd = [`it's "a" b`, 'host=x port=1', '%d%20\\', 'größe 数', 'postgres://x', `p'a"s s=%\\w:ö€@/?#`];
    await server.sql('postgres', 'create role pw_user superuser login');
    try {
      for (const word of odd) {
        const name = word.replaceAll('/', '|');
        await server.createDatabase(name);
        await server.sql(name, 'create table t as select 1 as i');
        await server.sql('postgres', `alter role pw_user password '${word.replaceAll("'", "''")}'`);
        const format = word === odd[0] ? 'directory' : 'custom';
        const taken = await take({ format }, {}, server.config(name, 'pw_user', word));
        expect(await readManifest(taken.file)).to.have.nested.property('manifest.database.name', name);
        await server.dropDatabase(name);
      }
    } finally {
      await server.sql('postgres', 'drop role pw_user');
    }
  });

  describe('without the privileges', () => {
    const role = 'Take "me"';
    const quoted = `"Take ""me"""`;

    beforeEach(() =>
      sql(`create role ${quoted} login; grant create on database ${database} to ${quoted};
        grant usage on schema app to ${quoted};
        grant select on all tables in schema public, app to ${quoted};
        grant select on sequence counter to ${quoted}`),
    );

    afterEach(async () => {
      await sql(`drop owned by ${quoted}; drop role ${quoted}`);
    });

    it('to read a table, a sequence or a schema, is refused with each of them and the grant', async () => {
      await sql(`revoke select on app.big from ${quoted}; revoke select on sequence counter from ${quoted}`);
      const error = await refused(take({}, { user: role }), 'insufficient-privilege');
      expect(error.subject).to.equal('app.big, public.counter');
      expect(error.next).to.equal(
        `Run as an administrator: grant pg_read_all_data to ${quoted}\n` +
          `Or grant only what is missing: grant select on app.big to ${quoted}; grant select on sequence public.counter to ${quoted}`,
      );
      await sql(`grant select on app.big to ${quoted}; grant select on sequence counter to ${quoted};
        revoke usage on schema app from ${quoted}`);
      const closed = await refused(take({}, { user: role }), 'insufficient-privilege');
      expect(closed.next).to.include(`grant usage on schema app to ${quoted}`);
      await sql(`grant pg_read_all_data to ${quoted}`);
      expect((await take({}, { user: role })).tables).to.equal(6);
    });

    it('to read all rows of a table, is refused', async () => {
      await sql('alter table app.big enable row level security');
      const error = await refused(take({}, { user: role }), 'insufficient-privilege');
      expect(error.message).to.equal(`Row-level security hides rows of app.big from the role ${role}.`);
      expect(error.next).to.include(`alter role ${quoted} bypassrls`);
      await sql(`alter role ${quoted} bypassrls`);
      await take({}, { user: role });
    });
  });

  describe('of a locked table', () => {
    it('fails with the table and the session that holds the lock', async () => {
      const holder = await server.client(database);
      await holder.query('begin; lock table "Odd ""one"".x"');
      const error = await refused(take({ lockWaitTimeout: '300ms' }), 'lock-timeout');
      await holder.end();
      expect(error.message)
        .to.include(`Could not lock public."Odd ""one"".x" of `)
        .and.include('within 0.3 s');
      expect(error.reason).to.match(/pid \d+ \(postgres\) holds AccessExclusiveLock/);
      expect(error.next).to.include('--lock-wait-timeout');
    });

    it('reports a session that requested a lock between its own lock and that of pg_dump', async () => {
      const wait = `while [ ! -e '${folder}/go' ]; do sleep 0.05; done`;
      const body = `touch '${folder}/begun'; ${wait}; exec '${native.path}' "$@"`;
      const work = take({ lockWaitTimeout: '500ms' }, { pgDump: fakePgDump(folder, body, native.version) });
      const failed = refused(work, 'lock-timeout');
      await until(() => existsSync(join(folder, 'begun')));
      const other = await server.client(database);
      const locked = other.query('begin; lock table parent');
      const waits = `select from pg_locks where not granted and relation = 'parent'::regclass`;
      await until(async () => (await sql(waits)).length > 0);
      writeFileSync(join(folder, 'go'), '');
      const error = await failed;
      await locked.catch(() => undefined);
      await other.end();
      expect(error.subject).to.equal('public.parent');
      expect(error.reason).to.include('waits for AccessExclusiveLock');
    });
  });

  describe('is removed if it fails', () => {
    const whom = {
      'the backend of pg_dump': `query like 'COPY app.big%'`,
      'its own session': `application_name <> 'pg_dump' and xact_start is not null`,
      'all of them': 'pid <> pg_backend_pid()',
    };
    for (const [who, condition] of Object.entries(whom)) {
      it(`because the server terminates ${who}`, async () => {
        const paused = pausedPgDump(folder, native);
        const work = take({ format: 'plain' }, { pgDump: paused.path });
        const failed = refused(work, 'backup-failed');
        await paused.paused();
        const ended = await sql(`select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid() and ${condition}`);
        expect(ended).not.to.deep.equal([]);
        paused.resume();
        const error = await failed;
        expect(error.message).to.include(database);
        expect(error.reason).to.match(/terminat|The connection to the server was lost/);
        expect(error.next).to.include('This one was removed');
        await take();
      });
    }

    it('because pg_dump and its workers are killed', async () => {
      const body = `(sleep 0.3; kill -9 $$) >/dev/null 2>&1 & exec '${native.path}' "$@"`;
      await sql('insert into app.big select i, repeat(md5(i::text), 4) from generate_series(1, 200000) as i');
      const pgDump = fakePgDump(folder, body, native.version);
      const error = await refused(take({ format: 'directory', jobs: 2 }, { pgDump }), 'backup-failed');
      expect(error.reason).to.include('pg_dump was terminated by SIGKILL.');
      await take({ format: 'directory', jobs: 2, prove: 'off' });
    });

    it('because the server has no space for the locks of pg_dump, for which nobody waited', async () => {
      const words = ['error: query failed: ERROR: no space', 'detail: Query was: LOCK TABLE public.below'];
      const body = `${words.map((word) => `echo 'pg_dump: ${word}' >&2`).join('; ')}; exit 1`;
      const pgDump = fakePgDump(folder, body, native.version);
      const error = await refused(take({}, { pgDump }), 'backup-failed');
      expect(error.reason).to.include('ERROR: no space');
      expect(error.next).to.include('raise max_locks_per_transaction');
    });

    it('because of the maximum file size', async () => {
      const pgDump = fakePgDump(folder, `ulimit -f 100; exec '${native.path}' "$@"`, native.version);
      const error = await refused(take({ format: 'plain' }, { pgDump }), 'backup-failed');
      expect(error.reason).to.include('ulimit -f');
    });

    it('because the disk is full', async function () {
      mkdirSync(backups);
      const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', backups]).status === 0;
      if (!mounted) {
        return skip(this, 'no tmpfs can be mounted here');
      }
      try {
        for (const format of ['plain', 'custom', 'directory'] as const) {
          const error = await refused(take({ format, compress: '0' }), 'backup-failed');
          expect(error.reason).to.include('No space left on device');
        }
      } finally {
        spawnSync('umount', [backups]);
      }
    });
  });

  it('shows its password in no argument list, output, manifest or record', async function () {
    if (!server.own || !existsSync('/proc/self/cmdline')) {
      skip(this, 'not with UNDROP_TEST_URL, and only where there is /proc');
    }
    const password = 'geheim-4711';
    const project = makeProject();
    await server.sql('postgres', `create role pw_user superuser login password '${password}'`);
    try {
      const lines = new Set<string>();
      const watch = setInterval(() => {
        for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
          try {
            lines.add(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
          } catch {
            // The process has ended.
          }
        }
      }, 50);
      const DATABASE_URL = server.url(database, 'pw_user', password);
      const paused = pausedPgDump(folder, native);
      const env = { DATABASE_URL, PG_DUMP: paused.path, DEBUG: '1' };
      const taking = project.undrop(`backup --folder ${backups} --dump-format plain --json`, { env });
      await paused.paused();
      const isProgram = (line: string) => /^\S*pg_dump --verbose/.test(line);
      await until(() => [...lines].some(isProgram));
      paused.resume();
      const good = await taking;
      const bad = await project.undrop(`backup --folder /dev/null/below`, { env });
      clearInterval(watch);
      expect(good.status, good.text).to.equal(0);
      expect(bad.status).to.equal(1);
      const seen = [...lines];
      expect(seen.filter(isProgram)).not.to.deep.equal([]);
      const [row] = await sql('select to_json(b)::text as text from undrop.backups as b');
      const manifest = readFileSync(JSON.parse(good.stdout).manifest, 'utf8');
      for (const text of [...seen, good.text, bad.text, manifest, String(row?.text)]) {
        expect(text).not.to.include(password);
      }
    } finally {
      project.remove();
      await server.sql(database, 'drop owned by pw_user');
      await server.sql('postgres', 'drop role pw_user');
    }
  });
});
