import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { ensureArchive } from '../src/archive/schema.ts';
import { type BackupFormat, manifestOf } from '../src/backup/manifest.ts';
import { openBackup } from '../src/backup/open-backup.ts';
import { findPgDump } from '../src/backup/programs/find-pg-dump.ts';
import { findPgRestore } from '../src/backup/programs/pg-restore.ts';
import { proveContents } from '../src/backup/proof/prove-contents.ts';
import { proveRestore } from '../src/backup/proof/prove-restore.ts';
import { missingIn } from '../src/backup/restore/compare-manifest.ts';
import { replaceDatabase, restoreDatabase } from '../src/backup/restore/restore-database.ts';
import { planTable, restoreTable } from '../src/backup/restore/restore-table.ts';
import { type Backup, backup } from '../src/backup/take/take-backup.ts';
import { reversibleDrop } from '../src/index.ts';
import { readSettings } from '../src/knex/settings.ts';
import { inSession } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { fakePgDump } from './support/fake-pg-dump.ts';
import { type Runner, refusalOf, runner, withEnvironment } from './support/migrate.ts';
import { nativeOrSkip, wholeText } from './support/pg-dump.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { startServer, type TestDatabase } from './support/server.ts';
import { until } from './support/until.ts';
import { useServer } from './support/use-database.ts';

const schema = `
  create schema app;
  create type app.mood as enum ('calm', 'cross');
  create table kept (id int primary key);
  create table a (id int generated always as identity primary key, kept_id int references kept, mood app.mood,
    double int generated always as (kept_id * 2) stored, note text);
  create table b (id serial primary key, a_id int references a, "odd ""name" text check (length("odd ""name") < 9));
  create table parts (day date, n int) partition by range (day);
  create table parts_1 partition of parts for values from ('2026-01-01') to ('2026-02-01');
  create table bare ();
  create index on a (note) where mood = 'calm';
  create function touch() returns trigger language plpgsql as 'begin new.note := upper(new.note); return new; end';
  insert into kept select generate_series(1, 9);
  insert into a (kept_id, mood, note) select i, 'calm', E'tab\\t\\\\ new\\nline' || i from generate_series(1, 9) as i;
  insert into a (note) values (null), ('\\.');
  insert into b (a_id, "odd ""name") values (1, 'x'), (2, '');
  insert into parts select '2026-01-05', generate_series(1, 5);
  insert into bare default values;
  create trigger touch before insert on a for each row execute function touch();
  create view seen as select a.id, b.id as b from a join b on b.a_id = a.id;
  create function twice(int) returns int language sql begin atomic select $1; select $1 * 2; end;
  create rule log as on delete to bare do also (insert into kept values (100); insert into kept values (101););
  comment on table a is 'it''s; -- "kept"'`;

describe('restores from a backup', () => {
  const server = useServer();
  let database: TestDatabase;
  let run: Runner;
  let folder: string;
  const made: string[] = [];

  before(async function () {
    await nativeOrSkip(this, server.major);
  });

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-restore-'));
    database = await server.createDatabase();
    await server.sql(database.name, schema);
    run = runner(database.url);
  });

  afterEach(async () => {
    await run?.end();
    for (const name of [database.name, ...made.splice(0)]) await server.dropDatabase(name);
    rmSync(folder, { recursive: true, force: true });
  });

  const target = ({ url }: Pick<TestDatabase, 'url'> = database) => ({
    settings: readSettings({ DATABASE_URL: url }),
    embedded: undefined,
  });
  const take = (format: 'custom' | 'directory' | 'plain' = 'custom'): Promise<Backup> =>
    quietly(() => backup(run.knex, target(), { folder, format }));
  const look = (url = database.url) => wholeText(url);
  const scratches = async () =>
    (await server.sql<{ name: string }>('postgres', 'select datname as name from pg_database')).filter(
      ({ name }) =>
        name.startsWith('undrop_proof_') ||
        name.startsWith('undrop_restore_') ||
        name.startsWith('undrop_rows_'),
    );
  const table = (file: string, name: string) => quietly(() => restoreTable(run.knex, target(), file, name));

  for (const format of ['custom', 'directory', 'plain'] as const) {
    it(`proves a ${format} backup by a restore, and drops the scratch database`, async () => {
      const taken = await quietly(() => backup(run.knex, target(), { folder, format, prove: 'restore' }));
      expect(taken).to.include({ proof: 'restore' });
      expect(taken.differences).to.deep.equal([]);
      expect(await scratches()).to.deep.equal([]);
      expect(await run.rows('select proof from undrop.backups')).to.deep.equal([{ proof: 'restore' }]);
    });

    it(`restores a whole ${format} backup into a new database with the same pg_dump output`, async () => {
      const { file } = await take(format);
      const before = await look();
      const name = `${database.name}_new`;
      made.push(name);
      const restored = await restoreDatabase(target(), file, name);
      expect(restored.differences).to.deep.equal([]);
      expect(await look(server.url(name))).to.equal(before);
      await refusalOf(restoreDatabase(target(), file, name), 'name-taken');
    });

    it(`restores one table with its rows from a ${format} backup, with the same pg_dump output`, async () => {
      const { file } = await take(format);
      const before = await look();
      for (const [name, view] of [
        ['b', true],
        ['parts', false],
        ['bare', false],
      ] as const) {
        const definition = 'create view seen as select a.id, b.id as b from a join b on b.a_id = a.id';
        await run.knex.raw(`drop table ${name} cascade`);
        const restored = await table(file, name);
        expect(restored.left.map(({ identity }) => identity)).to.include.members(view ? ['public.seen'] : []);
        if (view) await run.knex.raw(definition);
      }
      expect(sorted(await look())).to.deep.equal(sorted(before));
      expect(await scratches()).to.deep.equal([]);
    });
  }

  it('proves a backup with a table that is partitioned by the hash of an enum', async () => {
    await run.knex.raw(`
      create table moods (mood app.mood, n int) partition by hash (mood);
      create table moods_0 partition of moods for values with (modulus 2, remainder 0);
      create table moods_1 partition of moods for values with (modulus 2, remainder 1);
      insert into moods values ('calm', 1), ('calm', 2), ('cross', 3)`);
    for (const format of ['custom', 'plain'] as const) {
      const taken = await quietly(() => backup(run.knex, target(), { folder, format, prove: 'restore' }));
      expect(taken.differences).to.deep.equal([]);
      const { manifest } = await openBackup(taken.file);
      const root = { schema: 'public', name: 'moods' };
      const found = manifest.tables.filter(({ name }) => name.startsWith('moods_'));
      expect(found.map((one) => one.root)).to.deep.equal([root, root]);
      const tables = manifest.tables.map((one) =>
        one.name === 'moods_1' ? { ...one, rows: one.rows + 1 } : one,
      );
      const less = await refusalOf(
        proveRestore(taken.file, { ...manifest, tables }, { target: target() }),
        'backup-unproved',
      );
      expect(less.reason).to.equal('"public"."moods" and its partitions have 3 rows, not 4');
      const contents = proveContents(taken.file, { format, compressed: false }, { tables });
      expect((await refusalOf(contents, 'backup-unproved')).reason).to.equal(
        'It has 3 rows of "public"."moods" and its partitions; the table had 4.',
      );
    }
  });

  for (const encoding of ['LATIN1', 'EUC_JP', 'SQL_ASCII']) {
    it(`proves and restores backups of a database in ${encoding}`, async () => {
      const name = `${database.name}_${encoding.toLowerCase()}`;
      const like = `template template0 encoding '${encoding}' lc_collate 'C' lc_ctype 'C'`;
      await server.sql('postgres', `create database ${name} ${like}`);
      made.push(name);
      const word = encoding === 'EUC_JP' ? '数' : 'größe';
      await server.sql(
        name,
        `create table "${word}" (i int, text text default '${word}');
        create index "${word} i" on "${word}" (i);
        insert into "${word}" values (1), (2)`,
      );
      if (encoding === 'SQL_ASCII') {
        const comment = Buffer.from(`comment on table "${word}" is 'caf\xe9'`, 'latin1');
        const bytes = Buffer.concat([
          Buffer.from(`comment on table "${word}" is '`),
          comment.subarray(comment.lastIndexOf('caf')),
        ]);
        await server.sql(
          name,
          `do $$ begin execute convert_from('\\x${bytes.toString('hex')}', 'SQL_ASCII'); end $$`,
        );
      }
      const own = runner(server.url(name));
      try {
        for (const format of ['custom', 'plain'] as const) {
          const to = target({ url: server.url(name) });
          const taken = await quietly(() => backup(own.knex, to, { folder, format, prove: 'restore' }));
          expect(taken.differences).to.deep.equal([]);
        }
      } finally {
        await own.end();
      }
    });
  }

  for (const format of ['custom', 'plain'] as const) {
    it(`stops at once, and drops what was created: ${format}`, async () => {
      await run.knex.raw(
        `alter table kept add check (current_database() = '${database.name}' or pg_sleep(900) is not null)`,
      );
      const { file } = await take(format);
      const name = `${database.name}_stopped`;
      for (const work of [
        (signal: AbortSignal) => backup(run.knex, target(), { folder, format, prove: 'restore', signal }),
        (signal: AbortSignal) => restoreDatabase(target(), file, name, signal),
        async (signal: AbortSignal) => {
          await run.knex.raw('create schema aside; alter table kept set schema aside');
          return restoreTable(run.knex, target(), file, 'kept', { signal });
        },
      ]) {
        const stop = new AbortController();
        const stopped = new Error('stopped');
        const working = quietly<unknown>(() => work(stop.signal)).catch((error: unknown) => error);
        await untilSleeping();
        stop.abort(stopped);
        expect(await working).to.equal(stopped);
        expect(await scratches()).to.deep.equal([]);
        const [left] = await server.sql('postgres', `select from pg_database where datname = '${name}'`);
        expect(left).to.equal(undefined);
      }
    });
  }

  /** Waits until a statement of a restore sleeps. */
  async function untilSleeping(): Promise<void> {
    const sql = `select from pg_stat_activity where wait_event = 'PgSleep'`;
    await until(async () => (await server.sql('postgres', sql)).length > 0);
  }

  it('restores one table of a drop while the others remain dropped, and the rollback restores the others', async () => {
    const { file } = await take();
    const before = await look();
    const drop = reversibleDrop({ name: 'm', tables: ['a', 'b'], dependents: 'cascade', rows: 'copy' });
    await quietly(() => run.up(drop));
    const restored = await table(file, 'a');
    expect(restored).to.include({ table: 'public.a', rows: 11, migration: 'm' });
    expect(await run.rows('select count(*)::int as rows from a')).to.deep.equal([{ rows: 11 }]);
    expect(await run.rows(`select to_regclass('b') is null as gone`)).to.deep.equal([{ gone: true }]);
    // Identity sequences continue from their state.
    await run.knex.raw(`begin; insert into a (note) values ('x'); rollback`);
    await quietly(() => run.down(drop));
    const others = (text: string) => sorted(text).filter((line) => !/setval.*a_id_seq/.test(line));
    expect(others(await look())).to.deep.equal(others(before));
  });

  it('leaves out a foreign key to a table that is still dropped; the rollback restores it', async () => {
    const { file } = await take();
    const before = await look();
    const drop = reversibleDrop({ name: 'm', tables: ['a', 'b'], dependents: 'cascade', rows: 'copy' });
    await quietly(() => run.up(drop));
    const restored = await table(file, 'b');
    expect(restored.left.map(({ identity }) => identity)).to.include('b_a_id_fkey on public.b');
    await quietly(() => run.down(drop));
    expect(sorted(await look())).to.deep.equal(sorted(before));
  });

  it('refuses a table that was changed between the backup and the drop', async () => {
    const { file } = await take();
    await run.knex.raw('alter table b add column late int');
    const drop = reversibleDrop({ name: 'm', tables: ['b'], dependents: 'cascade', rows: 'copy' });
    await quietly(() => run.up(drop));
    const error = await refusalOf(table(file, 'b'), 'restore-differs');
    expect(error.reason).to.include('late');
    expect(await run.rows(`select to_regclass('b') is null as gone`)).to.deep.equal([{ gone: true }]);
    await quietly(() => run.down(drop));
  });

  it('does not overwrite a table, and reports tables that the backup lacks', async () => {
    const { file } = await take();
    await refusalOf(table(file, 'kept'), 'name-taken');
    await refusalOf(table(file, 'nothing'), 'missing-table');
    await refusalOf(restoreTable(run.knex, target(), join(folder, 'none'), 'kept'), 'bad-options');
  });

  it('finds a name that is taken before it unpacks rows', async () => {
    await run.knex.raw(
      `alter table kept add check (current_database() = '${database.name}' or pg_sleep(900) is not null)`,
    );
    const { file } = await take();
    await refusalOf(table(file, 'kept'), 'name-taken');
    await run.knex.raw(`
      create schema aside;
      alter table kept set schema aside;
      create index kept_pkey on bare ((1))`);
    const { subject, next } = await refusalOf(table(file, 'kept'), 'name-taken');
    expect(subject).to.equal('index public.kept_pkey');
    expect(next).to.equal('Rename or drop the existing objects, then run it again.');
  });

  it('prints the statements with --dry-run, without running them', async () => {
    const { file } = await take();
    await run.knex.raw('drop table bare');
    const statements = await planTable(run.knex, target(), file, 'bare');
    expect(statements.join('\n'))
      .to.include('create table public.bare')
      .and.to.include('copy public.bare from stdin');
    expect(await run.rows(`select to_regclass('bare') is null as gone`)).to.deep.equal([{ gone: true }]);
  });

  it('replaces the live database only with its full name, and keeps the previous database', async () => {
    await run.knex.raw(
      `alter database ${database.name} set work_mem to '5MB'; comment on database ${database.name} is 'x''y'`,
    );
    const { file } = await take();
    const before = await look();
    await run.knex.raw('drop table b cascade; delete from parts');
    await refusalOf(replaceDatabase(target(), file, 'other'), 'bad-options');
    const busy = await refusalOf(replaceDatabase(target(), file, database.name), 'in-use');
    expect(busy.reason).to.match(/^pid \d+ \(postgres/);
    await run.end();
    // A session that was closed is listed until its process has ended.
    const left = `select from pg_stat_activity where datname = '${database.name}'`;
    await until(async () => (await server.sql('postgres', left)).length === 0);
    const replaced = await replaceDatabase(target(), file, database.name);
    made.push(replaced.before ?? '');
    run = runner(database.url);
    expect(await look()).to.equal(before);
    expect(await run.rows('show work_mem')).to.deep.equal([{ work_mem: '5MB' }]);
    const old = await server.sql(replaced.before ?? '', `select count(*)::int as rows from parts`);
    expect(old).to.deep.equal([{ rows: 0 }]);
  });

  describe('refuse', () => {
    const refused = (file: string, code: 'backup-unproved' | 'bad-options' = 'backup-unproved') =>
      refusalOf(restoreDatabase(target(), file, `${database.name}_never`), code);

    it('a backup with a flipped byte, and a truncated one', async () => {
      const { file, bytes } = await take();
      const whole = readFileSync(file);
      const flipped = Buffer.from(whole);
      flipped[bytes >> 1] = (flipped[bytes >> 1] ?? 0) ^ 1;
      writeFileSync(file, flipped);
      expect((await refused(file)).reason).to.include('SHA-256');
      writeFileSync(file, whole);
      truncateSync(file, bytes - 1);
      expect((await refused(file)).reason).to.include(`${bytes - 1} bytes, not ${bytes}`);
    });

    it('an edited manifest, the manifest of another backup, and a missing manifest', async () => {
      const first = await take();
      await run.knex.raw('create table more ()');
      const second = await take('plain');
      const text = readFileSync(first.manifest, 'utf8');
      writeFileSync(first.manifest, text.replace('"rows": 9', '"rows": 8'));
      expect((await refused(first.file)).reason).to.include('checksum');
      renameSync(second.manifest, first.manifest);
      expect((await refused(first.file)).message).to.include('does not match its manifest');
      expect((await refused(second.file)).reason).to.include('ENOENT');
    });

    it('a backup of another database, but not of the original of a copy', async () => {
      const { file } = await take();
      const other = await server.createDatabase();
      const stranger = runner(other.url);
      try {
        await inSession(stranger.knex, ensureArchive);
        const error = await refusalOf(
          restoreTable(stranger.knex, target(other), file, 'b'),
          'backup-unproved',
        );
        expect(error.reason).to.include(database.name);
      } finally {
        await stranger.end();
        await server.dropDatabase(other.name);
      }
      await run.end();
      const copy = await server.createDatabase(undefined, { template: database.name });
      made.push(copy.name);
      run = runner(copy.url);
      await run.knex.raw('drop table b cascade');
      const restored = await quietly(() => restoreTable(run.knex, target(copy), file, 'b'));
      expect(restored.rows).to.equal(2);
    });

    it('missing rows, in a proof by restore', async () => {
      const { file } = await take('plain');
      const { manifest } = await openBackup(file);
      const tables = manifest.tables.map((one) => (one.name === 'b' ? { ...one, rows: 3 } : one));
      const more = [...tables, { schema: 'public', name: 'more', rows: 0 }];
      const error = await refusalOf(
        proveRestore(file, { ...manifest, tables: more }, { target: target() }),
        'backup-unproved',
      );
      expect(error.reason).to.equal('"public"."b" has 2 rows, not 3\n"public"."more" is missing');
      expect(await scratches()).to.deep.equal([]);
    });

    it('a backup without the section after the rows, in every proof', async () => {
      const native = await findPgDump({ ...process.env, PG_DUMP: undefined }, server.major);
      const pgDump = fakePgDump(
        folder,
        `exec '${native.path}' --section=pre-data --section=data "$@"`,
        native.version,
      );
      symlinkSync(await findPgRestore(native), join(dirname(pgDump), 'pg_restore'));
      for (const format of ['custom', 'plain'] as const) {
        for (const prove of ['contents', 'restore'] as const) {
          const work = withEnvironment({ PG_DUMP: pgDump }, () =>
            quietly(() => backup(run.knex, target(), { folder, format, prove })),
          );
          const { reason } = await refusalOf(work, 'backup-unproved');
          expect(reason)
            .to.include('It does not create constraint "a_pkey".')
            .and.match(/… and \d+ more$/);
        }
      }
      const taken = await withEnvironment({ PG_DUMP: pgDump }, () =>
        quietly(() => backup(run.knex, target(), { folder, prove: 'off' })),
      );
      const { manifest } = await openBackup(taken.file);
      const error = await refusalOf(
        proveRestore(taken.file, manifest, { target: target() }),
        'backup-unproved',
      );
      expect(error.reason).to.include('missing: index public.a_note_idx');
    });

    it('a missing object, but not a foreign key of a partition that has another name', async () => {
      const own = 'missing: table constraint own_name on public.p2';
      const named = 'new: table constraint p2_o_fkey on public.p2';
      expect(missingIn([own, named, 'differs: table public.p2'])).to.deep.equal([]);
      expect(missingIn([own, named, 'missing: index public.i', own])).to.have.length(2);
      expect(missingIn([own, 'new: table constraint a on public.p1'])).to.deep.equal([own]);
    });

    it('a psql meta-command in the backup', async () => {
      const { file } = await take('plain');
      const { manifest } = await openBackup(file);
      writeFileSync(
        file,
        readFileSync(file, 'utf8').replace(
          '\nCREATE SCHEMA',
          '\n\\! touch /tmp/undrop-was-here\nCREATE SCHEMA',
        ),
      );
      const error = await refusalOf(proveRestore(file, manifest, { target: target() }), 'backup-unproved');
      expect(error.reason).to.include('touch');
    });
  });

  describe('with --prove-on', () => {
    it('run on another server, not on the live database, and without a visible password', async () => {
      const other = await startServer();
      try {
        const options = { folder, prove: 'restore' as const };
        const take = (proveOn: string, format: BackupFormat = 'custom') =>
          quietly(() => backup(run.knex, target(), { ...options, format, proveOn }));
        const taken = await take(other.url('postgres'));
        expect(taken).to.include({ proof: 'restore' });
        await refusalOf(take(database.url), 'bad-options');
        const shown = await refusalOf(take(server.url('postgres', 'postgres', 'geheim')), 'bad-options');
        expect(String(shown)).not.to.include('geheim');
        await run.knex.raw(
          `drop role if exists ${rolePrefix}_only_here; create role ${rolePrefix}_only_here; alter table b owner to ${rolePrefix}_only_here`,
        );
        for (const format of ['custom', 'plain'] as const) {
          const missing = await refusalOf(take(other.url('postgres'), format), 'prerequisite-gone');
          expect(missing.subject).to.equal(`${rolePrefix}_only_here`);
          expect(missing.reason).to.equal(`The role ${rolePrefix}_only_here does not exist.`);
        }
        expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).to.deep.equal([]);
        expect(statSync(manifestOf(taken.file)).mode & 0o777).to.equal(0o600);
      } finally {
        await run.knex.raw(`alter table b owner to postgres; drop role if exists ${rolePrefix}_only_here`);
        await other.stop();
      }
    });
  });
});

/** Sorts the statements of a dump. */
function sorted(text: string): string[] {
  return text.split('\n').sort();
}
