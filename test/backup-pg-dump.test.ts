import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { hashOf, uniqueBackupName } from '../src/backup/backup-file.ts';
import { findPgDump } from '../src/backup/find-pg-dump.ts';
import { type PgDumpOptions, runPgDump } from '../src/backup/pg-dump.ts';
import { proveContents } from '../src/backup/proof.ts';
import { UndropError } from '../src/errors.ts';
import { systemPgDump } from './support/pg-dump.ts';
import { type TestServer, testServer } from './support/server.ts';

describe('backup by pg_dump', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-backup-'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  describe('of a real server', () => {
    const database = `it's a=b "c"`;
    const tables = ['plain', 'Upper', 'a.b', 'a b', 'a"b', 'a\nb', 'select', 'größe'].map((name) => ({
      schema: name === 'plain' ? 'Odd "schema"' : 'public',
      name,
    }));
    let server: TestServer;

    before(async function () {
      server = await testServer();
      if (!(await systemPgDump(server.major))) {
        this.test?.parent?.tests.forEach((test) => {
          test.title += ` (no pg_dump of ${server.major} or later is installed)`;
        });
        this.skip();
      }
      await server.createDatabase(database);
      await server.sql(database, 'create schema "Odd ""schema"""');
      for (const { schema, name } of tables) {
        await server.sql(database, `create table ${quote(schema)}.${quote(name)} (text text)`);
      }
      await server.sql(
        database,
        `create unlogged table not_logged (i int);
        insert into select_rows values ('CREATE TABLE public.in_a_row ('), (E'two\\nCREATE TABLE public.in_a_row (')`.replace(
          'select_rows',
          '"select"',
        ),
      );
      await server.sql(
        database,
        `create function in_a_body() returns void language plpgsql as $f$
begin
CREATE TABLE public.in_a_body (i int);
end $f$;
comment on table "select" is 'it''s; -- "
CREATE TABLE public.in_a_comment (';`,
      );
    });

    after(() => server.dropDatabase(database));

    for (const format of ['custom', 'plain'] as const) {
      it(`writes a whole ${format} file for its owner alone, and proves it`, async () => {
        const file = join(folder, 'backup');
        const made = await runPgDump(optionsFor(server, { file, format }));
        expect(made).to.include({ file, bytes: statSync(file).size, sha256: await hashOf(file) });
        expect(made.pgDumpVersion).to.match(/^\d+/);
        expect(statSync(file).mode & 0o777).to.equal(0o600);
        expect(readdirSync(folder)).to.deep.equal(['backup']);
        await proveContents(
          file,
          { format, compressed: false },
          [...tables, { schema: 'public', name: 'not_logged' }],
          made.pgDump,
        );
      });

      it(`names every table that a ${format} file does not create, wherever else its text stands`, async () => {
        const file = join(folder, 'backup');
        await runPgDump(optionsFor(server, { file, format, args: ['--exclude-table=public."a b"'] }));
        const missing = ['a b', 'in_a_row', 'in_a_body', 'in_a_comment', 'a'].map((name) => ({
          schema: 'public',
          name,
        }));
        const error = await refusal(
          proveContents(file, { format, compressed: false }, [...tables, ...missing.slice(1)]),
        );
        expect(error.code).to.equal('backup-unproved');
        for (const { name } of missing) expect(error.reason).to.include(`"public"."${name}"`);
        expect(error.reason.split(', ')).to.have.length(missing.length);
      });

      it(`does not prove a ${format} file that was cut off`, async () => {
        const file = join(folder, 'backup');
        await runPgDump(optionsFor(server, { file, format }));
        const bytes = readFileSync(file);
        writeFileSync(file, bytes.subarray(0, bytes.length - 200));
        expect((await refusal(proveContents(file, { format, compressed: false }, tables))).code).to.equal(
          'backup-unproved',
        );
      });
    }

    it('hands over a password, and says so when it is wrong without saying it', async function () {
      if (!server.own) {
        if (this.test) this.test.title += ' (not with UNDROP_TEST_URL)';
        this.skip();
      }
      await server.sql('postgres', `create role pw_user superuser login password 'ge:h\\eim'`);
      const file = join(folder, 'backup');
      const as = (password: string) => ({ ...optionsFor(server).connection, user: 'pw_user', password });
      await runPgDump(optionsFor(server, { file, connection: as('ge:h\\eim') }));
      rmSync(file);
      const error = await refusal(runPgDump(optionsFor(server, { file, connection: as('falsch') })));
      expect(error.reason).to.include('password authentication failed for user "pw_user"');
      expect(`${error}`).not.to.include('falsch');
      expect(readdirSync(folder)).to.deep.equal([]);
      await server.sql('postgres', 'drop role pw_user');
    });
  });

  describe('that fails', () => {
    it('leaves nothing when pg_dump fails, and gives its last words without the password', async () => {
      const error = await refusal(runFake('echo begun; echo "bad geheim at 4711" >&2; exit 1'));
      expect(error.code).to.equal('backup-failed');
      expect(error.reason).to.equal('bad *** at 4711\nIt ended with exit code 1.');
      expect(readdirSync(folder)).to.deep.equal(['pg_dump']);
    });

    it('leaves nothing when pg_dump is killed', async () => {
      const error = await refusal(runFake('echo begun; kill -9 $$'));
      expect(error.reason).to.equal('It was ended by SIGKILL.');
      expect(readdirSync(folder)).to.deep.equal(['pg_dump']);
    });

    it('refuses a pg_dump older than the server, with the way to a newer one', async () => {
      const error = await refusal(runFake('exit 0', { serverMajor: 18 }));
      expect(error.message).to.include('is of version 15.2 (Fake), the server of 18');
      expect(error.next).to.include('postgresql-client-18');
    });

    it('does not write over what is there', async () => {
      writeFileSync(join(folder, 'out'), 'precious');
      const error = await refusal(runFake('echo new'));
      expect(error.reason).to.equal('Something of that name is there already.');
      expect(readFileSync(join(folder, 'out'), 'utf8')).to.equal('precious');
      expect(existsSync(join(folder, 'out.partial'))).to.equal(false);
    });

    it('says that the folder is not there, or is a file', async () => {
      const nowhere = await refusal(runFake('exit 0', { file: join(folder, 'no', 'out') }));
      expect(nowhere.reason).to.equal('The folder is not there.');
      const below = await refusal(runFake('exit 0', { file: join(folder, 'pg_dump', 'out') }));
      expect(below.reason).to.equal('A part of the path is a file, not a folder.');
    });
  });

  it('keeps the password and the database out of the arguments, and other connections out of the environment', async () => {
    const env = { PGSERVICE: 'elsewhere', PGHOSTADDR: '10.0.0.1', DATABASE_URL: 'postgres://elsewhere/x' };
    await runFake('echo "$*"; env', { env });
    const [args = '', ...lines] = readFileSync(join(folder, 'out'), 'utf8').split('\n');
    expect(args).to.equal('--no-password --format=custom');
    const variables = lines.filter((line) => /^(PG|DATABASE_URL)/.test(line)).sort();
    expect(variables).to.deep.equal([
      'PGDATABASE=a=b',
      'PGHOST=127.0.0.1',
      'PGPASSWORD=geheim',
      'PGPORT=1',
      'PGSSLMODE=disable',
      'PGUSER=me',
      'PG_COLOR=never',
    ]);
  });

  it('tells how far it is', async () => {
    const seen: number[] = [];
    await runFake('echo 123; sleep 1.5', { onProgress: (bytes) => seen.push(bytes) });
    expect(seen).to.deep.equal([4]);
  });

  describe('findPgDump', () => {
    it('takes the first of PATH that is new enough, else the first', async () => {
      const old = fake('exit 0', join(folder, 'pg_dump'));
      const env = { PATH: folder };
      expect(await findPgDump(env)).to.deep.equal({ path: old, version: '15.2 (Fake)', major: 15 });
      expect((await findPgDump(env, 99)).path).to.equal(old);
    });

    it('takes PG_DUMP and no other', async () => {
      const error = await refusal(findPgDump({ PG_DUMP: '/bin/echo', PATH: '/usr/bin' }));
      expect(error).to.include({ code: 'backup-failed', subject: 'PG_DUMP' });
    });
  });

  describe('uniqueBackupName', () => {
    const now = new Date('2025-11-24T23:05:09.123Z');

    it('carries the time in UTC, and a number where that is taken', async () => {
      const inside = join(folder, 'new', 'backups');
      const names: string[] = [];
      for (const ending of ['', '.partial', '']) {
        const file = await uniqueBackupName(inside, 'dump', now);
        names.push(file.slice(inside.length + 1));
        writeFileSync(file + ending, '');
      }
      expect(names).to.deep.equal([
        'by_pre_cleanup_20251124_230509.dump',
        'by_pre_cleanup_20251124_230509_2.dump',
        'by_pre_cleanup_20251124_230509_3.dump',
      ]);
      expect(statSync(inside).mode & 0o777).to.equal(0o700);
    });

    it('refuses a folder that is a file', async () => {
      const file = join(folder, 'file');
      writeFileSync(file, '');
      for (const path of [file, join(file, 'below')]) {
        expect((await refusal(uniqueBackupName(path, 'dump', now))).code).to.equal('backup-failed');
      }
    });
  });

  function optionsFor(server: TestServer, more: Partial<PgDumpOptions> = {}): PgDumpOptions {
    const connection = { ...server.config(`it's a=b "c"`), ssl: { mode: 'disable' as const } };
    return { connection, serverMajor: server.major, file: join(folder, 'out'), format: 'custom', ...more };
  }

  /** A program that says it is pg_dump 15.2, and then does as it is told. */
  function fake(body: string, path: string): string {
    const version = `[ "$1" = --version ] && { echo "pg_dump (PostgreSQL) 15.2 (Fake)"; exit 0; }`;
    writeFileSync(path, `#!/bin/sh\n${version}\n${body}\n`, { mode: 0o755 });
    return path;
  }

  function runFake(
    body: string,
    { env = {}, ...more }: Partial<PgDumpOptions> = {},
  ): ReturnType<typeof runPgDump> {
    const ssl = { mode: 'disable' as const };
    const connection = { host: '127.0.0.1', port: 1, user: 'me', database: 'a=b', password: 'geheim', ssl };
    const path = fake(body, join(folder, 'pg_dump'));
    const all = { PATH: process.env.PATH, PG_DUMP: path, ...env };
    return runPgDump({
      connection,
      serverMajor: 15,
      file: join(folder, 'out'),
      format: 'custom',
      env: all,
      ...more,
    });
  }
});

async function refusal(promise: Promise<unknown>): Promise<UndropError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  if (error instanceof UndropError) return error;
  throw new Error(`No UndropError: ${error}`, { cause: error });
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
