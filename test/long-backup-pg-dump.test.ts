import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import pg from 'pg';
import type { BackupFormat } from '../src/backup/manifest.ts';
import { findPgDump, type PgDump, pgDumpFor } from '../src/backup/programs/find-pg-dump.ts';
import { type PgDumpOptions, runPgDump } from '../src/backup/programs/pg-dump.ts';
import { PgDumpWords } from '../src/backup/programs/pg-dump-words.ts';
import { proveContents } from '../src/backup/proof/prove-contents.ts';
import { refusal } from './support/migrate.ts';
import { nativeOrSkip } from './support/pg-dump.ts';
import { skip } from './support/skip.ts';
import { until } from './support/until.ts';
import { useServer } from './support/use-database.ts';

const quote = pg.escapeIdentifier;

describe('backup by pg_dump', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-backup-'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  describe('of a real server', () => {
    const database = `it's a=b "c" ${process.pid}`;
    const tables = ['plain', 'Upper', 'a.b', 'a b', 'a"b', 'a\nb', 'select', 'größe'].map((name) => ({
      schema: name === 'plain' ? 'Odd "schema"' : 'public',
      name,
    }));
    const server = useServer();
    let native: PgDump;

    before(async function () {
      native = await nativeOrSkip(this, server.major);
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

    for (const format of ['custom', 'directory', 'plain'] as const) {
      it(`writes a complete ${format} backup and proves it`, async () => {
        const file = await write(format);
        const all = [...tables, { schema: 'public', name: 'not_logged' }];
        await proveContents(file, { format, compressed: false }, { tables: all }, native);
      });

      it(`reports every table that a ${format} backup does not create, even if other text contains its name`, async () => {
        const file = await write(format, ['--exclude-table=public."a b"']);
        const missing = ['a b', 'in_a_row', 'in_a_body', 'in_a_comment', 'a'].map((name) => ({
          schema: 'public',
          name,
        }));
        const how = { format, compressed: false };
        const error = await refusal(
          proveContents(file, how, { tables: [...tables, ...missing.slice(1)] }, native),
        );
        expect(error.code).to.equal('backup-unproved');
        for (const { name } of missing) expect(error.reason).to.include(`"public"."${name}"`);
        expect(error.reason.split(', ')).to.have.length(missing.length);
      });
    }

    for (const format of ['custom', 'plain'] as const) {
      it(`fails the proof of a truncated ${format} file`, async () => {
        const file = await write(format);
        const bytes = readFileSync(file);
        writeFileSync(file, bytes.subarray(0, bytes.length - 200));
        const work = proveContents(file, { format, compressed: false }, { tables }, native);
        expect((await refusal(work)).code).to.equal('backup-unproved');
      });
    }

    it('passes a password, and reports a wrong one without printing it', async function () {
      if (!server.own) {
        skip(this, 'not with UNDROP_TEST_URL');
      }
      await server.sql('postgres', `create role pw_user superuser login password 'ge:h\\eim'`);
      const as = (password: string) => ({ connection: { ...connection(), user: 'pw_user', password } });
      await write('custom', [], as('ge:h\\eim'));
      const error = await refusal(write('custom', [], as('falsch')));
      // In the language of the server.
      expect(error.reason).to.match(/FATAL: .*pw_user/);
      expect(`${error}`).not.to.include('falsch');
      await server.sql('postgres', 'drop role pw_user');
    });

    const connection = () => ({ ...server.config(database), ssl: { mode: 'disable' as const } });

    async function write(format: BackupFormat, args: string[] = [], more: Partial<PgDumpOptions> = {}) {
      const file = join(folder, 'backup');
      const all = ['--no-password', `--format=${format}`, `--file=${file}`, ...args];
      await runPgDump({ pgDump: native, connection: connection(), args: all, output: undefined, ...more });
      return file;
    }
  });

  describe('that fails', () => {
    it('reports its error messages without the password', async () => {
      const error = await refusal(runFake('echo "bad geheim at 4711" >&2; exit 1'));
      expect(error.code).to.equal('backup-failed');
      expect(error.reason).to.equal('bad *** at 4711\npg_dump exited with code 1.');
    });

    it('reports the signal that terminated it', async () => {
      expect((await refusal(runFake('kill -9 $$'))).reason).to.equal('pg_dump was terminated by SIGKILL.');
      const tooLarge = await refusal(runFake('kill -XFSZ $$'));
      expect(tooLarge.reason).to.equal(
        'pg_dump was terminated by SIGXFSZ: the file has reached the limit of ulimit -f.',
      );
    });

    it('is stopped with its workers, also if it was killed', async () => {
      const controller = new AbortController();
      const stopped = new Error('stopped');
      const begun = join(folder, 'begun');
      const body = `sleep 900 & touch '${begun}'; sleep 900`;
      const ended = runFake(body, { signal: controller.signal }).catch((error: unknown) => error);
      await until(() => existsSync(begun));
      controller.abort(stopped);
      expect(await ended).to.equal(stopped);
      // It would end only with its worker, long after the time limit of this test.
      expect((await refusal(runFake('sleep 900 & kill -9 $$'))).reason).to.include('SIGKILL');
    });

    it('is refused if it is older than the server, with instructions to install a newer one', async () => {
      const path = fake('exit 0', join(folder, 'pg_dump'));
      const error = await refusal(pgDumpFor(18, { PG_DUMP: path }));
      expect(error.message).to.include('has version 15.2 (Fake), but the server has version 18');
      expect(error.next).to.include('postgresql-client-18');
    });
  });

  it('keeps the password and the database out of the arguments, and other connections out of the environment', async () => {
    const env = { PGSERVICE: 'elsewhere', PGHOSTADDR: '10.0.0.1', DATABASE_URL: 'postgres://elsewhere/x' };
    const out = join(folder, 'out');
    await runFake(`(echo "$*"; env) > '${out}'`, { env, args: ['--no-password'] });
    const [args = '', ...lines] = readFileSync(out, 'utf8').split('\n');
    expect(args).to.equal('--no-password');
    const variables = lines.filter((line) => /^(PG|DATABASE_URL|LC_)/.test(line)).sort();
    expect(variables).to.deep.equal([
      'LC_ALL=C',
      'PGDATABASE=a=b',
      'PGGSSENCMODE=disable',
      'PGHOST=127.0.0.1',
      'PGPASSWORD=geheim',
      'PGPORT=1',
      'PGSSLMODE=disable',
      'PGUSER=me',
      'PG_COLOR=never',
    ]);
  });

  describe('the output on stderr', () => {
    it('is parsed for the current table and for errors', () => {
      const seen: string[] = [];
      const words = new PgDumpWords((name) => seen.push(name));
      const said = `pg_dump: last built-in OID is 16383
pg_dump: dumping contents of table "public.a b"
pg_dump: dumping contents of table "public.a
b"
pg_dump: error: query failed: ERROR:  permission denied
LINE 1: select
pg_dump: detail: Query was: LOCK TABLE public.a IN ACCESS SHARE MODE
pg_dump: dumping contents of table "Odd ""s".""t"""
pg_dump: error: the end, without a new line`;
      for (let at = 0; at < said.length; at += 7) words.add(said.slice(at, at + 7));
      expect(seen).to.deep.equal(['public.a b', 'Odd ""s".""t""']);
      expect(words.errors()).to.deep.equal([
        'pg_dump: error: query failed: ERROR:  permission denied',
        'LINE 1: select',
        'pg_dump: detail: Query was: LOCK TABLE public.a IN ACCESS SHARE MODE',
        'pg_dump: error: the end, without a new line',
      ]);
    });
  });

  it('is parsed also if the lines of workers are interleaved', () => {
    const seen: string[] = [];
    const words = new PgDumpWords((name) => seen.push(name));
    words.add(
      'pg_dump: pg_dump: dumping contents of table "a.b"\nerror: could not write: No space left on device\n',
    );
    words.add('pg_dump: pg_dump: error: error: could not write\nfinished\n');
    words.add('pg_dump: pg_dump: dumping contents of table "error: c.d"\ncould not write: File too large\n');
    words.add('pg_dump: finished item 1\n');
    expect(seen.slice(0, 1)).to.deep.equal(['a.b']);
    expect(words.errors()).to.deep.equal([
      'error: could not write: No space left on device',
      'pg_dump: pg_dump: error: error: could not write',
      'finished',
      'could not write: File too large',
    ]);
  });

  describe('findPgDump', () => {
    it('returns the first program in PATH that is new enough, otherwise the first one', async () => {
      const old = fake('exit 0', join(folder, 'pg_dump'));
      const env = { PATH: folder };
      expect(await findPgDump(env)).to.deep.equal({ path: old, version: '15.2 (Fake)', major: 15 });
      expect((await findPgDump(env, 99)).path).to.equal(old);
    });

    it('uses only PG_DUMP if it is set', async () => {
      const error = await refusal(findPgDump({ PG_DUMP: '/bin/echo', PATH: '/usr/bin' }));
      expect(error).to.include({ code: 'backup-failed', subject: 'PG_DUMP' });
    });
  });

  /** A fake program that prints the version of pg_dump 15.2, and otherwise runs the given commands. */
  function fake(body: string, path: string): string {
    const version = `[ "$1" = --version ] && { echo "pg_dump (PostgreSQL) 15.2 (Fake)"; exit 0; }`;
    writeFileSync(path, `#!/bin/sh\n${version}\n${body}\n`, { mode: 0o755 });
    return path;
  }

  async function runFake(body: string, more: Partial<PgDumpOptions> = {}): Promise<void> {
    const ssl = { mode: 'disable' as const };
    const connection = { host: '127.0.0.1', port: 1, user: 'me', database: 'a=b', password: 'geheim', ssl };
    const pgDump = await findPgDump({ PG_DUMP: fake(body, join(folder, 'pg_dump')) });
    const env = { PATH: process.env.PATH, ...more.env };
    await runPgDump({ pgDump, connection, args: [], output: undefined, ...more, env });
  }
});
