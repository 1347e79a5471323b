import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import type { DropOptions } from '../src/options/options.ts';
import { settleEntries } from '../src/restore/mark-restored.ts';
import { archivedDdl } from '../src/script/ddl.ts';
import { writeDdl } from '../src/script/ddl-file.ts';
import { restoreDdl } from '../src/script/replay.ts';
import { inSession } from '../src/session/session.ts';
import { type Runner, refusalOf, runner } from './support/migrate.ts';
import { wholeText } from './support/pg-dump.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { untilBlocking } from './support/until.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('rows', () => {
  const server = useServer();

  const { database, run } = useDatabase(server);

  afterEach(async () => {
    await server.sql(
      'postgres',
      `drop role if exists ${rolePrefix}_owner; drop role if exists ${rolePrefix}_stranger`,
    );
  });

  const make = (options: Partial<DropOptions> = {}) =>
    reversibleDrop({ name: 'm', tables: ['t'], rows: 'copy', ...options });
  const look = (of = database) => wholeText(of.url);
  const stores = async () =>
    (
      await run.rows<{ name: string }>(
        `select relname as name from pg_class where relname ~ '^rows_' and relkind = 'r' order by 1`,
      )
    ).map(({ name }) => name);
  /** Runs statements as the owner of the database, who is no superuser. */
  const asOwner = async (sql: string): Promise<Runner> => {
    await run.knex.raw(`
      create role ${rolePrefix}_owner login;
      alter database "${database.name}" owner to ${rolePrefix}_owner;
      alter schema public owner to ${rolePrefix}_owner`);
    const owner = runner(server.url(database.name, `${rolePrefix}_owner`));
    await owner.knex.raw(sql);
    return owner;
  };

  describe('in the archive', () => {
    beforeEach(() =>
      run.knex.raw(`
        create table t (id int primary key, v text);
        create table "Other" (id int);
        create table empty (id int);
        insert into t select g, 'v' || g from generate_series(1, 5) as g;
        insert into "Other" values (1);
        create table deleted (id int);
        insert into deleted values (1);
        delete from deleted;`),
    );

    const all = make({ tables: ['t', 'Other', 'empty', 'deleted'] });

    it('are copied into one table each, which the restore removes', async () => {
      await run.up(all);
      const kept = await run.rows('select table_name, store, count::int from undrop.rows order by position');
      expect(kept).to.deep.equal([
        { table_name: 'public."Other"', store: 'undrop.rows_1_1', count: 1 },
        { table_name: 'public.deleted', store: 'undrop.rows_1_2', count: 0 },
        { table_name: 'public.t', store: 'undrop.rows_1_3', count: 5 },
      ]);
      expect(await stores()).to.deep.equal(['rows_1_1', 'rows_1_2', 'rows_1_3']);
      await run.down(all);
      expect(await stores()).to.deep.equal([]);
      await run.down(all);
    });

    it('are searched for where the file size does not show whether there are any', async () => {
      await run.knex.raw(`create access method other type table handler heap_tableam_handler;
        create table a (id int) using other;
        create table b (id int) using other;
        insert into b values (1)`);
      const before = await look();
      const both = make({ tables: ['a', 'b'] });
      await run.up(both);
      const kept = await run.rows('select table_name, count::int from undrop.rows order by position');
      expect(kept).to.deep.equal([
        { table_name: 'public.a', count: 0 },
        { table_name: 'public.b', count: 1 },
      ]);
      await run.down(both);
      expect(await look()).to.equal(before);
    });

    it('are copied into separate tables for each entry', async () => {
      const before = await look();
      for (let round = 0; round < 3; round++) {
        await run.up(all);
        await run.down(all);
      }
      expect(await look()).to.equal(before);
      const digests = await run.rows('select distinct table_name, count, digest from undrop.rows');
      expect(digests).to.have.length(3);
    });

    it('cannot be read by other roles', async () => {
      await run.up(all);
      const [row] = await run.rows(`
        select has_schema_privilege('pg_monitor', 'undrop', 'usage') as schema,
          has_table_privilege('pg_monitor', 'undrop.rows_1_1', 'select') as table`);
      expect(row).to.deep.equal({ schema: false, table: false });
    });

    it('leave no copy after a refusal', async () => {
      const before = await look();
      await run.knex.raw('create table elsewhere (t t)');
      await refusalOf(run.up(make({ dependents: 'cascade' })), 'not-reproducible');
      await run.knex.raw('drop table elsewhere');
      expect(await look()).to.equal(before);
      expect(await run.rows(`select from pg_namespace where nspname = 'undrop'`)).to.have.length(0);
    });

    for (const [what, damage, code] of [
      ['was dropped', 'drop table undrop.rows_1_1', 'archive-damaged'],
      ['has lost a row', `delete from undrop.rows_1_1 where id = 3`, 'restore-differs'],
      ['has an additional row', `insert into undrop.rows_1_1 values (6, 'v6')`, 'restore-differs'],
      ['has another value', `update undrop.rows_1_1 set v = 'x' where id = 3`, 'restore-differs'],
      [
        'has values swapped between rows',
        `update undrop.rows_1_1 set v = 'v' || (9 - id) where id > 3`,
        'restore-differs',
      ],
      ['has a row that violates a key', 'insert into undrop.rows_1_1 values (1)', 'restore-failed'],
      ['has lost a column', 'alter table undrop.rows_1_1 drop v', 'restore-failed'],
      ['is recorded with fewer rows', 'update undrop.rows set count = 4', 'archive-damaged'],
    ] as const) {
      it(`are not restored where the archive's table ${what}`, async () => {
        await run.up(make());
        await run.knex.raw(damage);
        const error = await refusalOf(run.down(make()), code);
        if (code === 'restore-differs') expect(error.reason).to.contain('table public.t: rows.');
        expect(await run.rows(`select to_regclass('public.t') as t`)).to.deep.equal([{ t: null }]);
      });
    }

    it('keep their types from being dropped', async () => {
      await run.knex.raw(`create type mood as enum ('ok'); alter table t add m mood default 'ok'`);
      await run.up(make());
      await run.knex.raw('drop type mood').then(
        () => expect.fail('the type could be dropped'),
        (error) => expect(error.detail).to.contain('rows_1_1'),
      );
    });

    it('keep an entry open whose tables were restored without them', async () => {
      await run.up(make());
      await run.knex.raw('create table t (id int constraint t_pkey primary key, v text)');
      const [open] = await inSession(run.knex, settleEntries);
      expect(open?.restored).to.equal(false);
      expect(open?.reason).to.contain('table public.t: rows.count was 5, is 0');
      await run.knex.raw('insert into t select * from undrop.rows_1_1');
      const [settled] = await inSession(run.knex, settleEntries);
      expect(settled?.restored).to.equal(true);
      expect(await stores()).to.deep.equal([]);
    });

    it('are left out of a DDL file, which notes this', async () => {
      await run.up(make());
      const folder = mkdtempSync(join(tmpdir(), 'undrop-rows-'));
      try {
        const ddl = await inSession(run.knex, (session) => archivedDdl(session, { migration: 'm' }));
        expect(ddl.withoutRows).to.deep.equal(['public.t']);
        const file = await writeDdl(ddl, folder, false);
        expect(readFileSync(file, 'utf8'))
          .to.contain('-- The tables were not empty')
          .and.not.to.contain('rows_1_1');
        const replay = inSession(run.knex, (session) => restoreDdl(session, file));
        const error = await refusalOf(replay, 'restore-differs');
        expect(error.reason).to.contain('table public.t: rows.count was 5, is 0');
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    it('are copied into tables that work with a FOR ALL TABLES publication', async () => {
      await run.knex.raw('create publication everything for all tables');
      await run.up(make());
      await run.down(make());
      expect(await run.rows('select * from t')).to.have.length(5);
    });
  });

  describe('inserted by other sessions', () => {
    it('while the lock is waited for are copied', async () => {
      await run.knex.raw('create table t (id int)');
      const other = await server.client(database.name);
      await other.query('begin; insert into t values (1), (2)');
      const up = run.up(make());
      await untilBlocking(other);
      await other.query('commit');
      await up;
      await other.end();
      await run.down(make());
      expect(await run.rows('select * from t')).to.have.length(2);
    });

    for (const rows of ['refuse', 'copy'] as const) {
      it(`into a table whose owner may not lock it: ${rows}`, async () => {
        const owner = await asOwner(`
          create table t (id int);
          revoke update, delete, truncate on t from ${rolePrefix}_owner`);
        const other = await server.client(database.name);
        try {
          await other.query('begin; insert into t values (1), (2)');
          const up = owner.up(make({ rows }));
          const ended = rows === 'refuse' ? refusalOf(up, 'not-empty') : up;
          await untilBlocking(other);
          await other.query('commit');
          await ended;
          if (rows === 'copy') await owner.down(make({ rows }));
          expect(await run.rows('select * from t')).to.have.length(2);
        } finally {
          await other.end();
          await owner.end();
          await run.knex.raw(
            `reassign owned by ${rolePrefix}_owner to postgres; drop owned by ${rolePrefix}_owner`,
          );
        }
      });
    }
  });

  describe('under row-level security', () => {
    it('that is forced on the owner are all restored', async () => {
      const owner = await asOwner(`
        create table t (id int primary key, who text default current_user);
        insert into t select g, 'r' || g % 3 from generate_series(1, 10) as g;
        create table child (t int references t);
        insert into child values (3);
        create policy own on t using (who = current_user);
        alter table t enable row level security;
        alter table t force row level security;
        alter table child force row level security`);
      try {
        const both = make({ tables: ['t', 'child'] });
        const before = await look();
        await owner.up(both);
        await owner.down(both);
        expect(await look()).to.equal(before);
        expect(await run.rows('select * from t')).to.have.length(10);
        expect(await owner.rows('select * from t')).to.have.length(0);
      } finally {
        await owner.end();
        await run.knex.raw(
          `reassign owned by ${rolePrefix}_owner to postgres; drop owned by ${rolePrefix}_owner`,
        );
      }
    });

    it('or without SELECT are refused', async () => {
      const owner = await asOwner('create table t (id int); insert into t values (1)');
      try {
        await run.knex.raw(`revoke all on t from ${rolePrefix}_owner`);
        const error = await refusalOf(owner.up(make()), 'insufficient-privilege');
        expect(error.subject).to.equal('public.t');
        expect(await run.rows('select * from t')).to.have.length(1);
        expect(await run.rows(`select from pg_namespace where nspname = 'undrop'`)).to.have.length(0);
      } finally {
        await owner.end();
        await run.knex.raw(
          `reassign owned by ${rolePrefix}_owner to postgres; drop owned by ${rolePrefix}_owner`,
        );
      }
    });
  });

  it('cannot be counted without SELECT, unless the file is empty', async () => {
    const owner = await asOwner('create table t (id int)');
    try {
      await run.knex.raw(`create access method other type table handler heap_tableam_handler;
        create table odd (id int) using other; alter table odd owner to ${rolePrefix}_owner;
        revoke all on t, odd from ${rolePrefix}_owner`);
      const error = await refusalOf(owner.up(make({ tables: ['t', 'odd'], rows: 'refuse' })), 'not-empty');
      expect(error.reason).to.match(/^public.odd: unknown/);
      await owner.up(make({ rows: 'refuse' }));
    } finally {
      await owner.end();
      await run.knex.raw(
        `reassign owned by ${rolePrefix}_owner to postgres; drop owned by ${rolePrefix}_owner`,
      );
    }
  });

  describe('in physical order', () => {
    const order = () => run.rows('select id from t');

    it('are restored in page order where an index would be read first', async () => {
      await run.knex.raw(`
        create table t (id int, a name, b name, c name);
        insert into t select (g * 7919) % 20011, 'a', 'b', 'c' from generate_series(1, 20000) as g;
        alter table t drop a, drop b, drop c;
        create index on t (id)`);
      await run.knex.raw('vacuum analyze t');
      await run.knex.raw('set enable_indexonlyscan = off');
      const before = await run.rows('select id from t order by ctid');
      await run.up(make());
      await run.down(make());
      expect(await run.rows('select id from t order by ctid')).to.deep.equal(before);
    });

    it('are restored in page order during another sequential scan', async () => {
      await run.knex.raw(`
        create table t (id int, a name, b name, c name, d name);
        insert into t select g, 'a', 'b', 'c', 'd' from generate_series(1, 60000) as g`);
      await run.knex.transaction(async (transaction) => {
        await transaction.raw('declare half cursor for select * from t');
        await transaction.raw('move 30000 in half');
        await transaction.raw('close half');
        await make().up(transaction);
      });
      await run.down(make());
      expect((await order()).slice(0, 3)).to.deep.equal([{ id: 1 }, { id: 2 }, { id: 3 }]);
    });

    it('are stored as they were', async () => {
      await run.knex.raw(`
        create table t (id int, e text, x text);
        alter table t alter e set storage external;
        insert into t select g, repeat('a', 5000), repeat('b', 50000) from generate_series(1, 3) as g`);
      const sizes =
        'select pg_column_size(e) as e, pg_column_size(x) as x, pg_column_compression(x) as c from t';
      const before = await run.rows(sizes);
      await run.up(make());
      await run.down(make());
      expect(await run.rows(sizes)).to.deep.equal(before);
    });
  });
});
