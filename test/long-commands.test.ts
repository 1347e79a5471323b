import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import createKnex from 'knex';
import { seed } from '../seeds/01_turing.ts';
import { recordFacts } from '../src/baseline/record-facts.ts';
import { readInventory } from '../src/roundtrip/inventory.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { runCommand } from './support/command.ts';
import { makeProject, type Project } from './support/project.ts';
import { skip } from './support/skip.ts';
import { useServer } from './support/use-database.ts';

const root = dirname(import.meta.dirname);
const knexCli = join(dirname(createRequire(import.meta.url).resolve('knex/package.json')), 'bin/cli.js');
const cleanup = '044_cleanup_legacy_tables';
const optional = '045_cleanup_optional_tables';

interface Run {
  code: number | null;
  out: string;
  err: string;
}

describe('commands', () => {
  const server = useServer();
  let project: Project;
  /** The name of the seeded database, and of one in which 044 has run. */
  let seeded: string;
  let dropped: string;
  let folder: string;
  const made: string[] = [];

  before(async () => {
    project = makeProject();
    seeded = await copy();
    const knex = createKnex({ client: 'pg', connection: server.config(seeded) });
    await seed(knex).finally(() => knex.destroy());
    dropped = await copy(seeded);
    expect(await migrate(dropped, 'latest')).to.include({ code: 0 });
    folder = mkdtempSync(join(tmpdir(), 'undrop-commands-'));
  });

  after(async () => {
    for (const name of made) await server.dropDatabase(name);
    rmSync(folder, { recursive: true });
    project.remove();
  });

  async function copy(template?: string): Promise<string> {
    const { name } = await server.createDatabase(undefined, template === undefined ? {} : { template });
    made.push(name);
    return name;
  }

  async function node(url: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
    const clean = Object.entries(process.env).filter(([name]) => !/^(PG|UNDROP_|APPROV|DEBUG)/.test(name));
    const own = { NODE_OPTIONS: '', DATABASE_URL: url, UNDROP_BACKUP: 'off' };
    const { status, stdout, stderr } = await runCommand(process.execPath, args, {
      cwd: project.folder,
      env: { ...Object.fromEntries(clean), ...own, ...env },
    });
    return { code: status, out: stdout, err: stderr };
  }

  const undrop = (database: string, args: string[], env?: NodeJS.ProcessEnv) =>
    node(server.url(database), ['scripts/undrop.js', ...args], env);
  const migrate = (database: string, command: string, env?: NodeJS.ProcessEnv) =>
    node(server.url(database), [knexCli, `migrate:${command}`], env);

  async function json(database: string, args: string[], env?: NodeJS.ProcessEnv) {
    const run = await undrop(database, [...args, '--json'], env);
    return { code: run.code, ...JSON.parse(run.out) };
  }

  async function values(database: string, text: string): Promise<unknown[]> {
    return (await server.sql(database, text)).map((row) => Object.values(row)[0]);
  }

  describe('undrop', () => {
    it('reports output that cannot be written, without a stack', function () {
      if (!existsSync('/dev/full')) skip(this, 'there is no /dev/full');
      const full = openSync('/dev/full', 'w');
      for (const args of [['count-tables'], ['status', '--json']]) {
        const run = spawnSync(process.execPath, ['scripts/undrop.js', ...args], {
          cwd: project.folder,
          env: { PATH: process.env.PATH, DATABASE_URL: server.url(seeded) },
          stdio: ['ignore', full, 'pipe'],
          encoding: 'utf8',
        });
        expect(run.status, run.stderr).to.equal(1);
        expect(run.stderr).to.include('server-error: The output could not be written.').and.include('ENOSPC');
        expect(run.stderr).not.to.match(/\n\s+at /);
      }
      closeSync(full);
    });

    it('exits with 2 on wrong usage, with an error on stderr, or as JSON with --json', async () => {
      const [none, unknown, option, number] = await Promise.all([
        undrop(seeded, []),
        undrop(seeded, ['nonsense']),
        undrop(seeded, ['status', '--nonsense']),
        undrop(seeded, ['verify', '--expect', 'many', '--json']),
      ]);
      for (const run of [none, unknown, option, number]) expect(run.code).to.equal(2);
      for (const run of [none, unknown, option]) expect(run.out).to.equal('');
      expect(unknown.err).to.match(/^bad-options: unknown command 'nonsense'\n {2}why: .*\n {2}next: .*\n$/);
      expect(JSON.parse(number.out)).to.have.property('command', 'verify');
      expect(JSON.parse(number.out).error).to.include({ code: 'bad-options', subject: 'verify' });
    });

    it('prints help on stdout', async () => {
      const run = await undrop(seeded, ['verify', '--help']);
      expect(run).to.include({ code: 0, err: '' });
      expect(run.out)
        .to.match(/^Usage: undrop verify/)
        .and.include('--expect')
        .and.include('--json');
    });

    it('reports a failed connection without the password', async () => {
      const run = await node('postgres://owner:sEcret99@127.0.0.1:1/turing', [
        'scripts/undrop.js',
        'count-tables',
        '--json',
      ]);
      expect(run.code).to.equal(1);
      expect(JSON.parse(run.out).error).to.include({ code: 'no-connection' });
      expect(run.out + run.err).not.to.include('sEcret99');
    });

    it('reads without changing anything', async () => {
      const runs = await Promise.all(
        [['status'], ['verify'], ['count-tables'], ['ddl', 'organizations']].map((args) =>
          undrop(seeded, args),
        ),
      );
      expect(runs.map(({ code }) => code)).to.deep.equal([0, 0, 0, 0]);
      expect(await values(seeded, `select to_regnamespace('undrop')::text`)).to.deep.equal([null]);
    });
  });

  describe('count-tables', () => {
    it('prints one name per line, whatever its characters', async () => {
      const database = await copy(seeded);
      await server.sql(database, `create table "two\nlines" (); create table "My ""T" ()`);
      const run = await undrop(database, ['count-tables']);
      const lines = run.out.split('\n').slice(0, -1);
      expect(lines).to.have.length(76).and.include.members(['"My ""T"', 'U&"two\\000Alines"', 'postings']);
      expect(await json(database, ['count-tables'])).to.include({ formatVersion: 1, database, count: 76 });
    });

    it('refuses a schema that does not exist', async () => {
      expect(await undrop(seeded, ['count-tables', '--schema', 'nope'])).to.include({ code: 2, out: '' });
    });
  });

  describe('roundtrip', () => {
    it('refuses a URL with a password, and prints it in no error', async () => {
      const url = 'postgres://ada:geheim-4711@localhost/turing';
      for (const given of [
        ['--database', url],
        ['--database', 'postgres://localhost/turing?user=ada&password=geheim-4711'],
        ['--database', url, url],
        [`--nonsense=${url}`],
        ['--nonsense=postgres://h/d?password=geheim-4711'],
      ]) {
        const refused = await undrop(seeded, ['roundtrip', ...given, '--json']);
        expect(refused.code).to.equal(2);
        expect(refused.out + refused.err)
          .to.include('bad-options')
          .and.not.include('geheim');
      }
    });
  });

  describe('in a database in SQL_ASCII', () => {
    it('audit and report name comments that are not in UTF-8, and go on', async () => {
      const name = 'undrop_commands_ascii';
      const like = `template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'`;
      await server.sql('postgres', `create database ${name} ${like}`);
      made.push(name);
      const bytes = (sql: string) => Buffer.from(sql, 'latin1').toString('hex');
      const words = `'caf\xe9 \\'`;
      await server.sql(
        name,
        `create table bad (id int primary key, named int); create table good (id int); create view v as select * from bad;
        comment on table good is 'größe';
        do $$ begin ${[
          ...['table bad', 'column bad.named', 'view v', 'schema public', `database ${name}`].map(
            (what) => `comment on ${what} is ${words}`,
          ),
          `create function f() returns int language plpgsql as 'begin /* caf\xe9 */ return (select id from bad); end'`,
        ]
          .map((sql) => `execute convert_from('\\x${bytes(sql)}', 'SQL_ASCII');`)
          .join(' ')} end $$`,
      );
      const audit = await json(name, ['audit', '--schema', 'public']);
      expect(audit.warnings).to.include(
        'comments that are not in UTF-8, and are printed with escapes: table public.bad, column public.bad.named',
      );
      const [bad, good] = audit.tables;
      expect(bad.evidence.comment).to.equal('caf\\351 \\\\');
      expect(good.evidence.comment).to.equal('größe');
      expect(JSON.stringify(bad.evidence)).to.include('function public.f()');
      const out = join(folder, 'ascii.html');
      const report = await undrop(name, ['report', '--out', out]);
      expect(report.err).not.to.include('error');
      expect(readFileSync(out, 'utf8')).to.include('caf\\351');
    });
  });

  describe('status', () => {
    it('lists migrations that have run, that wait for approval, and that can be rolled back', async () => {
      const status = await json(dropped, ['status']);
      expect(status.ledger).to.equal('undrop.knex_migrations');
      expect(status.migrations[0]).to.include({ name: cleanup, state: 'completed', batch: 1, note: null });
      expect(status.migrations[1]).to.include({ name: optional, state: 'waiting' });
      expect(status.archive).to.have.length(1);
      expect(status.archive[0]).to.include({
        migration: cleanup,
        ledger: 'undrop.knex_migrations',
        restoredAt: null,
      });
      expect((await undrop(dropped, ['status'])).out).to.match(/ open /);
    });

    it('lists scratch databases of killed runs, with the command that removes them', async () => {
      const name = 'undrop_proof_1_0a1b2c3d';
      await server.createDatabase(name);
      try {
        const { leftovers } = await json(dropped, ['status']);
        expect(leftovers).to.deep.include({ database: name, sessions: 0, remove: `drop database ${name}` });
        expect((await undrop(dropped, ['status'])).out).to.include(`not in use: drop database ${name}`);
      } finally {
        await server.dropDatabase(name);
      }
    });

    it('explains how to use an approval that was given after the migration ran', async () => {
      const database = await copy(dropped);
      await migrate(database, 'latest', { APPROVED_DROPS: 'organizations' });
      const { approvals } = await json(database, ['status'], {
        APPROVED_DROPS: 'organizations,workflow_dependencies,nonsense',
      });
      expect(approvals[0].note).to.equal(`dropped by ${optional}`);
      expect(approvals[1].note)
        .to.include(`migrate:down ${optional}`)
        .and.include('then knex migrate:latest with all tables approved');
      expect(approvals[2].note).to.equal('no migration needs it');
    });
  });

  describe('verify', () => {
    async function record(database: string): Promise<void> {
      const knex = createKnex({ client: 'pg', connection: server.config(database) });
      await recordFacts(knex, 'a test').finally(() => knex.destroy());
    }

    it('passes after a drop', async () => {
      const database = await copy(dropped);
      await migrate(database, 'rollback');
      await record(database);
      await migrate(database, 'latest');
      const run = await json(database, ['verify', '--expect', '68']);
      expect(run).to.include({ code: 0, ok: true }).and.not.to.have.property('error');
      const states = run.checks.map(({ state }: { state: string }) => state);
      expect(states).to.deep.equal(['ok', 'ok', 'ok', 'ok', 'ok', 'not checked', 'not checked']);
      expect(run.checks[4].found).to.include('public.model_performance');
    });

    it('reports code that still uses a dropped table', async () => {
      const place = join(folder, 'code');
      mkdirSync(place);
      writeFileSync(join(place, 'notes.md'), 'production_runs went in November.\n');
      const check = async (...more: string[]) => {
        const run = await json(dropped, ['verify', '--code', place, ...more]);
        const isCode = ({ name }: { name: string }) => name === 'code names no dropped table';
        return { code: run.code, ...run.checks.find(isCode) };
      };
      expect(await check()).to.deep.include({
        code: 0,
        state: 'ok',
        found: `as a word only: public.production_runs in ${place}/notes.md:1; 1 file in ${place}`,
      });
      expect(await check('--strict')).to.include({ code: 1, state: 'failed' });
      writeFileSync(join(place, 'run.rb'), 'class ProductionRun < ApplicationRecord\nend\n');
      expect(await check()).to.include({ code: 0, state: 'ok' });
      rmSync(join(place, 'run.rb'));
      writeFileSync(join(place, 'runs.py'), 'db.run("""\n  select * from career_analyses\n""")\n');
      expect(await check()).to.deep.include({
        code: 1,
        name: 'code names no dropped table',
        state: 'failed',
        found:
          `public.career_analyses in ${place}/runs.py:2; ` +
          `as a word only: public.production_runs in ${place}/notes.md:1; 2 files in ${place}`,
      });
      const nowhere = await undrop(dropped, ['verify', '--code', join(place, 'nowhere')]);
      expect(nowhere.code).to.equal(2);
      expect(nowhere.err).to.include('bad-options');
    });

    it('compares with a record of preflight, and with --strict fails on new objects', async () => {
      const database = await copy(seeded);
      const { recorded } = await json(database, ['preflight', '--record']);
      expect(recorded).to.include({ record: 1 }).and.have.property('objects').above(500);
      expect((await undrop(database, ['preflight', '--record'])).out).to.match(
        /^Recorded the facts of \d+ objects as record 2\./m,
      );
      await migrate(database, 'latest');
      expect(await undrop(database, ['verify', '--strict'])).to.include({ code: 0 });
      await server.sql(database, 'create table fresh ()');
      expect(await undrop(database, ['verify'])).to.include({ code: 0 });
      const strict = await json(database, ['verify', '--strict']);
      expect(strict).to.include({ code: 1, ok: false });
      expect(strict.error.reason).to.match(/^nothing else changed: new: table public\.fresh; /);
    });

    it('reports that there is no record, without failing', async () => {
      const run = await undrop(dropped, ['verify', '--expect', '68']);
      expect(run.code).to.equal(0);
      expect(run.out).to.match(
        /^not checked +nothing else changed +no record to compare with; npm run backup/m,
      );
    });

    it('fails on a wrong number of tables', async () => {
      const run = await json(dropped, ['verify', '--expect', '74']);
      expect(run).to.include({ code: 1, ok: false });
      expect(run.error).to.include({ code: 'count-differs' });
    });

    it('reports all failed checks at once', async () => {
      const database = await copy(dropped);
      await record(database);
      await server.sql(
        database,
        `create table career_analyses ();
         drop view open_postings;
         comment on schema public is 'another';
         create view one as select 1 as one;
         create view broken as select one from one;
         create or replace view one as select one from broken`,
      );
      const run = await undrop(database, ['verify', '--expect', '69']);
      expect(run.code).to.equal(1);
      // A long check is wrapped onto indented lines.
      const checks = run.out.replaceAll(/\n +/g, ' ').split('\n');
      const failed = checks.filter((line) => line.startsWith('failed'));
      expect(failed).to.have.length(4);
      expect(failed[0]).to.include(`public.career_analyses of ${cleanup}`);
      expect(failed[1]).to.match(
        /missing: view public\.open_postings; .* since record 1 of .*, by postgres with a test$/,
      );
      expect(failed[2]).to.include(`public: not as ${cleanup} set it, but "another"`);
      expect(failed[3]).to.include(
        'public.broken: infinite recursion detected in rules for relation "broken"',
      );
    });
  });

  describe('ddl and restore', () => {
    const missing = `select count(*)::int from pg_tables where schemaname = 'public'`;

    it('write the DDL of a migration to a file, and restore from that file', async () => {
      const database = await copy(dropped);
      const { file } = await json(database, ['ddl', '--migration', cleanup, '--out', folder]);
      expect(file).to.equal(join(folder, `${cleanup}.sql`));
      expect(await undrop(database, ['ddl', '--migration', cleanup, '--out', folder])).to.include({
        code: 3,
      });

      const restored = await json(database, ['restore', '--from-ddl', file]);
      expect(restored.tables).to.have.length(6).and.include('public.production_runs');
      expect(restored.entries[0]).to.include({ migration: cleanup, restored: true });
      expect(await values(database, `select obj_description('public'::regnamespace)`)).not.to.include(
        'Migration 044',
      );
      const rollback = await migrate(database, 'rollback');
      expect(rollback).to.include({ code: 0 });
      expect(rollback.err).to.include('already restored');
      const inventories = await Promise.all([seeded, database].map((name) => inventory(name)));
      expect(inventories[1]).to.deep.equal(inventories[0]);

      const again = await json(database, ['restore', '--from-ddl', file]);
      expect(again).to.include({ code: 3 });
      expect(again.error).to.include({
        code: 'name-taken',
        reason: 'relation "career_analyses" already exists',
      });
    });

    it('print a script that psql can run, and record the tables that it restored', async () => {
      const database = await copy(dropped);
      const { out } = await undrop(database, ['ddl', '--migration', cleanup]);
      await server.sql(database, out);
      expect(await values(database, missing)).to.deep.equal([74]);
      expect(await json(database, ['restore', '--mark-restored'])).to.have.nested.include({
        code: 0,
        'entries[0].restored': true,
      });
    });

    it('leave an entry open if the restored tables differ from the dropped ones', async () => {
      const database = await copy(dropped);
      const { out } = await undrop(database, ['ddl', '--migration', cleanup]);
      await server.sql(database, out);
      await server.sql(database, 'alter table workflow_scripts add column another int');
      const { entries } = await json(database, ['restore', '--mark-restored']);
      expect(entries[0]).to.include({ restored: false });
      expect(entries[0].reason).to.include('another');
    });

    it('escape names and texts that could end a comment or a line, or leave the folder', async () => {
      const database = await copy();
      await server.sql(
        database,
        `create schema app;
         create table app."../a\n\\! b;\n--\n" (id serial primary key, note text default 'x;\n--\n---\n');
         comment on table app."../a\n\\! b;\n--\n" is E'it''s;\n--\n\\\\ \t'`,
      );
      const before = await inventory(database);
      const comments = 'select description from pg_description where objoid >= 16384';
      const { file } = await json(database, ['ddl', 'app."../a\n\\! b;\n--\n"', '--out', folder]);
      expect(file).to.match(/^[A-Za-z0-9_./-]+\.sql$/);
      expect(dirname(file)).to.equal(folder);
      const [comment] = await values(database, comments);
      await server.sql(database, 'drop table app."../a\n\\! b;\n--\n"');
      expect(await undrop(database, ['restore', '--from-ddl', file])).to.include({ code: 0 });
      expect(await inventory(database)).to.deep.equal(before);
      expect(await values(database, comments)).to.deep.equal([comment]);
    });

    it('refuse a file that was changed, truncated, or written by another program', async () => {
      const { out } = await undrop(seeded, ['ddl', 'organizations']);
      const texts = {
        changed: out.replace('integer', 'bigint'),
        cut: out.slice(0, -20),
        other: readFileSync(join(root, 'package.json'), 'utf8'),
        newer: out.replace('format 1', 'format 3'),
      };
      const runs = Object.entries(texts).map(([name, text]) => {
        writeFileSync(join(folder, name), text);
        return json(seeded, ['restore', '--from-ddl', join(folder, name)]);
      });
      for (const { code, error } of await Promise.all(runs)) {
        expect({ code, error: error.code }).to.deep.equal({ code: 2, error: 'bad-options' });
      }
    });

    it('change nothing if a statement fails', async () => {
      const { file } = await json(seeded, ['ddl', 'organizations', '--out', folder]);
      const database = await copy();
      const run = await json(database, ['restore', '--from-ddl', file]);
      expect(run.code).to.equal(1);
      expect(run.error).to.include({ code: 'restore-failed', subject: file });
      expect(await values(database, missing)).to.deep.equal([0]);
    });

    it('report tables that cannot be captured, and tables that do not exist', async () => {
      const database = await copy();
      await server.sql(database, 'create table child (a int); create table keeper (kept child)');
      const [child, none] = await Promise.all([
        json(database, ['ddl', 'child']),
        json(database, ['ddl', 'nonsense']),
      ]);
      expect(child).to.have.nested.include({ code: 3, 'error.code': 'not-reproducible' });
      expect(none).to.have.nested.include({ code: 3, 'error.code': 'missing-table' });
      expect(await undrop(database, ['ddl'])).to.include({ code: 2 });
      const unknown = await json(dropped, ['ddl', '--migration', 'nonsense']);
      expect(unknown.error).to.include({ code: 'archive-missing', reason: `It holds ${cleanup}.` });
    });

    async function inventory(database: string): Promise<string[]> {
      const knex = createKnex({ client: 'pg', connection: server.config(database) });
      return inReadOnlySession(knex, readInventory).finally(() => knex.destroy());
    }
  });
});
