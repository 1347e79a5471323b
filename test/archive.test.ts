import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { readEntries } from '../src/archive/entries.ts';
import { listArchive } from '../src/archive/list.ts';
import { type PruneOptions, pruneArchive } from '../src/archive/prune.ts';
import { formats } from '../src/archive/schema.ts';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import type { DropOptions } from '../src/options/options.ts';
import { restoreArchive } from '../src/restore/restore.ts';
import { liveDdl } from '../src/script/ddl.ts';
import { writeDdl } from '../src/script/ddl-file.ts';
import { exportArchive } from '../src/script/export-archive.ts';
import { restoreDdl } from '../src/script/replay.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { inSession, type Session } from '../src/session/session.ts';
import { readStatus } from '../src/status/status.ts';
import { verifyDatabase } from '../src/verify/verify.ts';
import { refusalOf } from './support/migrate.ts';
import { wholeText } from './support/pg-dump.ts';
import { skip } from './support/skip.ts';
import { useDatabase, useServer } from './support/use-database.ts';

const psql = process.env.PSQL ?? '/usr/lib/postgresql/15/bin/psql';

describe('archive', () => {
  const server = useServer();
  let folder: string;

  const { database, run } = useDatabase(
    server,
    `
      create table a (id int primary key, v text);
      create table b (id int);
      insert into a select g, 'v' || g from generate_series(1, 50) as g;
      create table undrop_ledger (id serial primary key, name text, batch int, migration_time timestamptz)`,
  );

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-archive-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  const make = (options: Partial<DropOptions> = {}) =>
    reversibleDrop({ name: 'm', tables: ['a', 'b'], rows: 'copy', dependents: 'cascade', ...options });
  const reading = <T>(work: (session: Session) => Promise<T>) => inReadOnlySession(run.knex, work);
  const look = async () => (await wholeText(database.url)).split(';\n').sort().join(';\n');

  describe('a schema undrop that was not created by knex-undrop', () => {
    for (const table of ['things (id int)', 'identity (id int)', 'drops (id int)']) {
      it(`is refused if it contains ${table}`, async () => {
        await run.knex.raw(`create schema undrop; create table undrop.${table}`);
        const before = await wholeText(database.url);
        const error = await refusalOf(run.up(make()), 'name-taken');
        expect(error.reason).to.equal(`It contains undrop.${table.split(' ')[0]}.`);
        expect(await wholeText(database.url)).to.equal(before);
      });
    }

    it('is used if it is empty, or contains migrations tables only', async () => {
      await run.knex.raw(`
        create schema undrop;
        create table undrop.my_migrations (id serial primary key, name text, batch int, migration_time timestamptz);
        create table undrop.my_migrations_lock (index serial primary key, is_locked int)`);
      await run.up(make());
      expect(await reading(listArchive)).to.have.length(1);
    });
  });

  describe('a list', () => {
    it('is empty where there is no archive', async () => {
      expect(await reading(listArchive)).to.deep.equal([]);
    });

    it('describes each entry', async () => {
      await run.up(make());
      await run.knex.raw(`
        insert into undrop.backups (host, proof, server_version, database, database_oid, system_identifier, identity,
          tables, attestation)
        select '', 'attested', '', '', 0, '', id, '[]', 'snapshot 7' from undrop.identity;
        -- As before entries were sealed: the gate is not what is tried here.
        update undrop.drops set backup_id = 1, digest = split_part(digest, '.', 1)`);
      const [open] = await reading(listArchive);
      expect(open).to.deep.include({ id: 1, migration: 'm', rows: '50', restoredAt: null, note: null });
      expect(Number(open?.bytes)).to.be.greaterThan(8000);
      expect(open?.restorePoint).to.equal('undrop m #1');
      expect(open?.backup).to.include({ id: 1, file: null, proof: 'attested', attestation: 'snapshot 7' });
      await run.down(make());
      const [restored] = await reading(listArchive);
      expect(restored).to.deep.include({ rows: '50', bytes: '0', restoredBy: 'postgres' });
    });
  });

  describe('pruned', () => {
    const prune = (options: PruneOptions = {}) =>
      inSession(run.knex, (session) => pruneArchive(session, options));
    const ids = async () => (await reading(readEntries)).map(({ id }) => id);
    const record = (name: string) =>
      run.knex('undrop_ledger').insert({ name, batch: 1, migration_time: new Date() });

    it('removes restored entries with their statements, facts and rows', async () => {
      await run.up(make());
      await run.down(make());
      await run.up(make());
      const { removed, kept } = await prune();
      expect(removed).to.deep.equal([{ id: 1, migration: 'm' }]);
      expect(kept).to.deep.equal([{ id: 2, migration: 'm', reason: 'it is open: its tables are dropped' }]);
      for (const table of ['statements', 'facts', 'rows', 'evidence']) {
        const left = await run.rows(`select distinct drop_id::int from undrop.${table}`);
        expect(left, table).to.deep.equal([{ drop_id: 2 }]);
      }
      await run.down(make());
    });

    it('keeps a named entry that is open, and reports why', async () => {
      await run.up(make());
      for (const options of [{ entry: 1 }, { migration: 'm' }]) {
        const error = await refusalOf(prune(options), 'bad-options');
        expect(error.reason).to.equal('It is open: public.a, public.b cannot be restored without it.');
      }
      const none = await refusalOf(prune({ entry: 7 }), 'archive-missing');
      expect(none.reason).to.equal('It holds 1 (m).');
      expect(await ids()).to.deep.equal([1]);
    });

    it('keeps an entry that a rollback needs, whatever the name of the migrations table', async () => {
      await run.up(make());
      await run.down(make());
      await run.up(make());
      await record('m.ts');
      await inSession(run.knex, (session) => restoreArchive(session, { migration: 'm' }));
      const { removed, kept } = await prune();
      expect(removed).to.deep.equal([{ id: 1, migration: 'm' }]);
      expect(kept[0]?.reason).to.contain('Knex has recorded its migration as completed');
      await run.down(make());
      await run.knex('undrop_ledger').delete();
      expect((await prune()).removed).to.deep.equal([{ id: 2, migration: 'm' }]);
    });

    it('keeps a split entry until its other tables are restored', async () => {
      await run.up(make());
      await inSession(run.knex, (session) => restoreArchive(session, { table: 'a' }));
      const { kept } = await prune();
      expect(kept.map(({ reason }) => reason)).to.deep.equal([
        'its other tables are in entry 2, which is open',
        'it is open: its tables are dropped',
      ]);
      await run.down(make());
      expect((await prune()).removed).to.have.length(2);
    });

    it('keeps entries restored after --older-than', async () => {
      await run.up(make());
      await run.down(make());
      await run.up(make({ name: 'n' }));
      await run.down(make({ name: 'n' }));
      await run.knex.raw(`update undrop.drops set restored_at = now() - interval '31 days' where id = 1`);
      const { removed, kept } = await prune({ olderThan: 30 * 86_400 });
      expect(removed).to.deep.equal([{ id: 1, migration: 'm' }]);
      expect(kept).to.deep.equal([{ id: 2, migration: 'n', reason: 'it was restored too recently' }]);
    });
  });

  describe('exported', () => {
    const odd = `
      create schema "Odd: ""schema""";
      create type mood as enum ('ok', 'not:"ok"');
      create table t (
        id int generated always as identity,
        twice int generated always as (id * 2) stored,
        "USER" int default 1,
        v text, m mood, f float8, d numeric(10, 2), b bytea, t timestamptz, i interval, j jsonb, ia int[], c char(5),
        kept text collate "C" check (kept <> 'a:"USER"')
      );
      alter table t drop column d;
      insert into t ("USER", v, m, f, b, t, i, j, ia, c, kept) values
        (1, E'tab\\t back\\\\slash \\\\. cr\\r lf\\n ff\\f vt\\x0b bs\\b', 'not:"ok"', 0.1, '\\x00ff5c', '2026-03-29 01:30+00',
          '1 day -02:00', '{"a": "\\\\n:x"}', '{1,2,NULL}', 'x', null),
        (2, '', null, 'nan', '', 'infinity', null, 'null', '{}', '', ''),
        (3, '\\N', 'ok', -0.0, null, null, null, null, null, null, E'\\\\.'),
        (4, E'\\\\.\\n\\\\.', null, 1e300, null, null, null, null, null, null, 'größe 🙂');
      insert into t (v) select repeat('ü' || g, 300000) from generate_series(1, 3) as g;
      insert into t (v) select 'row ' || g from generate_series(1, 30000) as g;
      create table "Odd: ""schema"""."two\n--\nlines: :'x'" ("a\n\\.\nb" int, ":""USER""" text);
      insert into "Odd: ""schema"""."two\n--\nlines: :'x'" values (1, '--'), (2, E'-- copy 1\\n');
      create table one (v text);
      insert into one values (''), (null), ('x');
      create table none ();
      insert into none default values;
      insert into none default values;
      create table only_generated (g int generated always as (1) stored);
      insert into only_generated default values;
      create table nothing (id int);
      create view slice as select ia["USER":2] as s, ia[1:"USER"] as e from t;
      create function odd() returns text language plpgsql as $f$
-- it's: :"USER"
begin
  -- copy 1
  return ':"USER"'; end $f$;
      create table rowed (t t);
      insert into rowed select x from t as x where id < 4;
      alter table t enable row level security;
      alter table t force row level security;
      create policy p on t using (v <> ':x');
      alter table one add constraint later check (v <> 'x') not valid;
      comment on table t is E'it''s :"USER" \\\\ :x';
      comment on schema public is 'before: :"USER"'`;
    const all = make({
      tables: [
        't',
        'one',
        'none',
        'only_generated',
        'nothing',
        `"Odd: ""schema"""."two\n--\nlines: :'x'"`,
        'rowed',
      ],
      name: '../odd "name"',
    });
    const exporting = (which = {}) => reading((session) => exportArchive(session, folder, which));

    for (const [how, replay] of [
      ['restore --from-ddl', (file: string) => inSession(run.knex, (session) => restoreDdl(session, file))],
      [
        'restore --from-ddl by INSERT, without COPY',
        (file: string) =>
          inSession(run.knex, (session) =>
            restoreDdl({ ...session, server: { ...session.server, copyIn: false } }, file),
          ),
      ],
      [
        'psql',
        async (file: string) => {
          // Settings other than the defaults must not matter.
          await run.knex.raw(`alter database "${database.name}" set standard_conforming_strings = off`);
          const env = { PATH: process.env.PATH, PGCLIENTENCODING: 'LATIN1', PGDATESTYLE: 'German' };
          const args = ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-v', 'x=1', '-v', '2=3', '-d', database.url];
          await promisify(execFile)(psql, [...args, '-f', file], { env });
          await run.knex.raw(`alter database "${database.name}" reset standard_conforming_strings`);
        },
      ],
    ] as const) {
      it(`is restored without the archive by ${how}`, async function () {
        if (how === 'psql' && !existsSync(psql)) {
          skip(this, `there is no ${psql}`);
        }
        await run.knex.raw(odd.replaceAll('?', '\\?'));
        const before = await look();
        await run.up(all);
        const [exported] = await exporting();
        expect(exported).to.include({ id: 1, migration: '../odd "name"', rows: '30018' });
        const file = exported?.file ?? '';
        expect(statSync(file).mode & 0o777).to.equal(0o600);
        expect(statSync(file).size).to.equal(exported?.bytes);
        expect(readdirSync(folder)).to.deep.equal(['__odd_name__1.sql']);
        await run.knex.raw('drop schema undrop cascade');
        await replay(file);
        expect(await look()).to.equal(before);
      });
    }

    it('restores the schema comment, unless it was changed since the drop', async () => {
      const comment = async () =>
        (await run.rows(`select obj_description('public'::regnamespace) as text`))[0]?.text;
      const commenting = make({ schemaComment: `it's :"gone"` });
      const before = await comment();
      await run.up(commenting);
      const [exported] = await exporting({ migration: 'm' });
      await inSession(run.knex, (session) => restoreDdl(session, exported?.file ?? ''));
      expect(await comment()).to.equal(before);
      await run.down(commenting);
      await run.up(commenting);
      const [again] = await exporting({ entry: 2 });
      await run.knex.raw(`comment on schema public is 'mine'`);
      await inSession(run.knex, (session) => restoreDdl(session, again?.file ?? ''));
      expect(await comment()).to.equal('mine');
    });

    it('marks the entry as restored when the file is replayed', async () => {
      const before = await look();
      await run.up(make());
      const [exported] = await exporting();
      const { entries } = await inSession(run.knex, (session) => restoreDdl(session, exported?.file ?? ''));
      expect(entries).to.deep.equal([{ migration: 'm', id: 1, restored: true, reason: null }]);
      await run.down(make());
      expect(await look()).to.equal(before);
    });

    describe('and replayed', () => {
      const replay = (file: string) => inSession(run.knex, (session) => restoreDdl(session, file));
      /** Edits a file, and adapts its checksum. */
      const change = (file: string, from: string | RegExp, to: string) => {
        const [head = '', ...lines] = readFileSync(file, 'utf8').split('\n');
        const rest = lines.join('\n').replace(from, to);
        expect(rest).not.to.equal(lines.join('\n'));
        const checksum = createHash('sha256').update(rest).digest('hex');
        writeFileSync(file, `${head.replace(/[0-9a-f]{64}/, checksum)}\n${rest}`);
      };
      const drop = async (options: Partial<DropOptions> = {}) => {
        await run.up(make(options));
        const [exported] = await exporting({ migration: options.name ?? 'm' });
        return exported?.file ?? '';
      };
      const there = async () =>
        (
          await run.rows<{ a: string | null; b: string | null }>(
            `select to_regclass('a') as a, to_regclass('b') as b`,
          )
        )[0];

      const changes: readonly (readonly [what: string, from: string | RegExp, to: string, reason: string])[] =
        [
          ['another value', '7\tv7', '7\tv8', 'table public.a: rows.digest was'],
          ['one row less', '7\tv7\n', '', 'table public.a: rows.count was 50, is 49'],
          [
            'rows in a table that was empty',
            /\n(-+)\ncommit;/,
            '\n$1\ninsert into public.b values (1);\n$1\ncommit;',
            'table public.b: rows.count was 0, is 1',
          ],
          ['another structure', 'v text', 'v varchar', 'table column public.a.v: pg_attribute.atttypid'],
        ];
      for (const [what, from, to, reason] of changes) {
        it(`is refused where it creates ${what}`, async () => {
          const file = await drop();
          change(file, from, to);
          const error = await refusalOf(replay(file), 'restore-differs');
          expect(error.message).to.equal(`The tables in ${file} differ from those that m dropped.`);
          expect(error.reason)
            .to.match(/^Entry 1 of m:\n/)
            .and.contain(reason);
          expect(await there()).to.deep.equal({ a: null, b: null });
          await run.down(make());
        });
      }

      it('is refused where it creates only some of the tables', async () => {
        const ddl = await reading((session) => liveDdl(session, ['b']));
        const file = await writeDdl(ddl, folder, false);
        await drop();
        expect((await refusalOf(replay(file), 'restore-differs')).reason).to.contain(
          'These tables do not exist: public.a.',
        );
        expect(await there()).to.deep.equal({ a: null, b: null });
      });

      it('is reported as not compared where the archive is lost', async () => {
        const file = await drop();
        await run.knex.raw('drop schema undrop cascade');
        change(file, 'v7', 'v8');
        const { entries, uncompared } = await replay(file);
        expect({ entries, uncompared }).to.deep.equal({ entries: [], uncompared: ['public.a', 'public.b'] });
      });

      it('is reported as not compared where the entry is damaged, which stays open', async () => {
        const file = await drop();
        await run.knex.raw(`update undrop.statements set sql = sql || ' ' where position = 1`);
        const { entries, uncompared } = await replay(file);
        expect(entries).to.have.length(1);
        expect(entries[0]).to.deep.include({ id: 1, restored: false });
        expect(entries[0]?.reason).to.contain('was changed after it was written');
        expect(uncompared).to.deep.equal(['public.a', 'public.b']);
      });

      it('closes one of two entries that hold a table of the same name', async () => {
        const file = await drop({ tables: ['a'] });
        await run.knex.raw('create table a (other int)');
        const later = await drop({ tables: ['a'], name: 'n' });
        const { entries, uncompared } = await replay(file);
        expect(uncompared).to.deep.equal([]);
        expect(entries.map(({ migration, restored }) => [migration, restored])).to.deep.equal([
          ['m', true],
          ['n', false],
        ]);
        await run.knex.raw('drop table a');
        const [settled] = (await replay(later)).entries;
        expect(settled).to.deep.include({ migration: 'n', restored: true });
      });
    });

    it('overwrites no file, and leaves no partial file', async () => {
      await run.up(make());
      await exporting();
      await refusalOf(exporting(), 'name-taken');
      rmSync(join(folder, 'm_1.sql'));
      await run.knex.raw('delete from undrop.rows_1_1 where id = 7');
      const error = await refusalOf(exporting(), 'archive-damaged');
      expect(error.reason).to.equal('undrop.rows_1_1 holds 49 rows; 50 were copied.');
      expect(readdirSync(folder)).to.deep.equal([]);
      const file = join(folder, 'file');
      writeFileSync(file, '');
      await refusalOf(
        reading((session) => exportArchive(session, file, {})),
        'bad-options',
      );
    });

    it('is refused where no entry is open', async () => {
      await refusalOf(exporting(), 'archive-missing');
      await run.up(make());
      await run.down(make());
      const error = await refusalOf(exporting({ migration: 'm' }), 'archive-missing');
      expect(error.reason).to.match(/^Entry 1 of m was restored on/);
    });

    it('is not replayed where a byte was changed, or the end is missing', async () => {
      await run.up(make());
      const [exported] = await exporting();
      await run.knex.raw('drop schema undrop cascade');
      const file = exported?.file ?? '';
      const good = readFileSync(file);
      for (const bad of [good.subarray(0, -1), Buffer.from(good.toString().replace('v7', 'v8'))]) {
        writeFileSync(file, bad);
        const error = await refusalOf(
          inSession(run.knex, (session) => restoreDdl(session, file)),
          'bad-options',
        );
        expect(error.reason).to.contain('it was changed or truncated');
      }
      writeFileSync(file, good);
      await run.knex.raw('create table b (id int)');
      const taken = await refusalOf(
        inSession(run.knex, (session) => restoreDdl(session, file)),
        'name-taken',
      );
      expect(taken.message).to.contain('Statement');
      expect(await run.rows(`select to_regclass('a') as a`)).to.deep.equal([{ a: null }]);
    });
  });

  describe('of the first format', () => {
    /** Converts the archive to its first format: the tables as its statements create them, with the same rows. */
    async function age(): Promise<void> {
      await run.knex.raw('alter schema undrop rename to newer; create schema undrop');
      await run.knex.raw((formats[0] ?? '').replaceAll('?', '\\?'));
      await run.knex.raw(`
        do $$
        declare t record;
        begin
          delete from undrop.identity;
          for t in
            select c.relname,
              (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute as a
               where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                 and exists (select from pg_attribute as n
                   where n.attrelid = ('newer.' || c.relname)::regclass and n.attname = a.attname)) as columns
            from pg_class as c where c.relnamespace = 'undrop'::regnamespace and c.relkind = 'r'
            order by c.relname not in ('identity', 'backups', 'drops'), c.relname
          loop
            execute format('insert into undrop.%1$I (%2$s) overriding system value select %2$s from newer.%1$I', t.relname, t.columns);
          end loop;
          for t in select relname from pg_class where relnamespace = 'newer'::regnamespace and relname like 'rows\\_%' and relkind = 'r' loop
            execute format('alter table newer.%I set schema undrop', t.relname);
          end loop;
          update undrop.identity set format = 1;
          update undrop.drops set digest = split_part(digest, '.', 1), prerequisites = (
            select coalesce(jsonb_agg(p - 'catalog' - 'oid' - 'column'), '[]')
            from jsonb_array_elements(prerequisites) as p);
          perform setval('undrop.drops_id_seq', (select max(id) from undrop.drops));
        end $$;
        drop schema newer cascade`);
    }

    it('is read without an upgrade', async () => {
      const before = await look();
      await run.up(make());
      await age();
      const { archive } = await reading((session) =>
        readStatus(session, { ledger: undefined, load: async () => [] }),
      );
      expect(archive[0]).to.include({ migration: 'm', lsn: null, restorePoint: null, splitInto: null });
      const { checks } = await reading((session) => verifyDatabase(session));
      expect(checks[1]).to.deep.include({ state: 'ok', found: '2 of m' });
      expect(await reading(listArchive)).to.have.length(1);
      await run.down(make());
      expect(await look()).to.equal(before);
      expect(await run.rows('select format from undrop.identity')).to.deep.equal([{ format: 1 }]);
      await run.down(make());
    });

    it('is upgraded by the next drop, and by the restore of one table', async () => {
      const before = await look();
      await run.up(make({ tables: ['a'], name: 'first' }));
      await age();
      await run.up(make({ tables: ['b'], name: 'second' }));
      expect(await run.rows('select format from undrop.identity')).to.deep.equal([
        { format: formats.length },
      ]);
      await run.down(make({ name: 'second' }));
      await run.down(make({ name: 'first' }));
      expect(await look()).to.equal(before);
      await run.up(make());
      await age();
      await inSession(run.knex, (session) => restoreArchive(session, { table: 'a' }));
      await run.down(make());
      expect(await look()).to.equal(before);
    });
  });
});
