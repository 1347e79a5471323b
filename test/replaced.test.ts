import { expect } from 'chai';
import { pruneArchive } from '../src/archive/prune.ts';
import { headSql } from '../src/archive/seal.ts';
import { reversibleDrop } from '../src/index.ts';
import type { DropOptions } from '../src/options/options.ts';
import { settleEntries } from '../src/restore/mark-restored.ts';
import { planRestore, restoreArchive } from '../src/restore/restore.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { inSession } from '../src/session/session.ts';
import { refusalOf, said, withEnvironment } from './support/migrate.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('objects replaced since the drop', () => {
  const server = useServer();

  const { database, run, reopen } = useDatabase(
    server,
    `
      create table parents (id int primary key, name text);
      insert into parents values (1, 'of old'), (2, 'of old');
      create table children (id int primary key, parent_id int references parents on delete cascade);
      insert into children values (10, 1), (11, 2);
      create table others (id int primary key);
      insert into others values (20)`,
  );

  const drop = (options: Partial<DropOptions> = {}) =>
    reversibleDrop({ name: 'm', tables: ['children'], rows: 'copy', dependents: 'cascade', ...options });
  const anew = `
    drop table parents;
    create table parents (id int primary key, name text);
    insert into parents values (1, 'new'), (2, 'new')`;
  const digestIn = (text: string) => /UNDROP_ACCEPT_DIFFERENCES=([0-9a-f]{12})/.exec(text)?.[1] ?? '';
  const isThere = async (name: string) =>
    (await run.rows<{ there: boolean }>(`select to_regclass('${name}') is not null as there`))[0]?.there;
  /** Rolls back, and returns the log. */
  const down = (options: Partial<DropOptions> = {}) => said(() => run.down(drop(options)));
  const replaced = 'replaced since the drop by other objects of the same name: ';

  describe('a referenced table', () => {
    it('is refused unless accepted; its deletes then cascade to the restored rows', async () => {
      await run.up(drop());
      await run.knex.raw(anew);
      let words = '';
      const error = await refusalOf(
        (async () => {
          words = await down();
        })(),
        'restore-differs',
      );
      expect(words).to.equal('');
      expect(error.reason).to.match(
        /^table public.parents: pg_class.oid was \d+, is \d+, another object, and is tied to rows of table public.children$/,
      );
      expect(await isThere('children')).to.equal(false);

      words = await withEnvironment({ UNDROP_ACCEPT_DIFFERENCES: digestIn(error.next) }, () => down());
      expect(words)
        .to.contain(`m: ${replaced}table public.parents\n`)
        .and.contain('1 accepted difference from');
      await run.knex.raw('delete from parents where id = 1');
      expect(await run.rows('select * from children')).to.deep.equal([{ id: 11, parent_id: 2 }]);
    });

    it('is refused with the present name of the old table', async () => {
      await run.up(drop());
      await run.knex.raw(`
        alter table parents rename to parents_of_old;
        create table parents (id int primary key);
        insert into parents values (1), (2)`);
      const error = await refusalOf(run.down(drop()), 'restore-differs');
      expect(error.reason).to.match(
        /pg_class.oid was \d+, now table public.parents_of_old, is \d+, another object/,
      );
      await run.knex.raw('drop table parents; alter table parents_of_old rename to parents');
      expect(await down())
        .to.contain('identical to what was dropped')
        .and.not.contain(replaced);
    });

    it('is only logged where no row refers to it', async () => {
      await run.knex.raw('update children set parent_id = null');
      await run.up(drop());
      await run.knex.raw(anew);
      expect(await down()).to.contain(`m: ${replaced}table public.parents\n`);
      await run.knex.raw('truncate children');
      await run.up(drop({ name: 'n' }));
      await run.knex.raw(anew);
      expect(await down({ name: 'n' })).to.contain(`n: ${replaced}table public.parents\n`);
    });

    it('fails on the server where it lacks referenced rows', async () => {
      await run.up(drop());
      await run.knex.raw(`${anew}; delete from parents`);
      await refusalOf(run.down(drop()), 'restore-failed');
    });

    it('is not replaced by commands that rewrite it or its keys', async () => {
      await run.up(drop());
      await run.knex.raw('alter table parents drop constraint parents_pkey');
      await run.knex.raw('alter table parents add constraint parents_pkey primary key (id)');
      await run.knex.raw('alter table parents add column more int default 1, drop column name');
      await run.knex.raw('cluster parents using parents_pkey');
      await run.knex.raw('vacuum full parents');
      await run.knex.raw('reindex table concurrently parents');
      expect(await down())
        .to.contain('identical to what was dropped')
        .and.not.contain(replaced);
    });

    it('is refused where only its column was replaced', async () => {
      await run.up(drop());
      await run.knex.raw('alter table parents drop id; alter table parents add id serial primary key');
      const error = await refusalOf(run.down(drop()), 'restore-differs');
      expect(error.reason).to.equal(
        'table column public.parents.id: pg_attribute.attnum was 1, is 3, another object, and is tied to rows of table public.children',
      );
      await run.knex.raw(`
        alter table parents rename id to of_new;
        alter table parents drop of_new, add id int;
        update parents set id = case name when 'of old' then 1 end`);
      await refusalOf(run.down(drop()), 'prerequisite-gone');
    });

    it('is refused, logged and accepted by all commands alike', async () => {
      await run.up(drop({ tables: ['children', 'others'] }));
      await run.knex.raw(anew);
      const restore = (wanted: object, accept?: string) =>
        inSession(run.knex, (session) => restoreArchive(session, wanted, accept));
      await refusalOf(restore({ migration: 'm' }), 'restore-differs');
      const error = await refusalOf(restore({ table: 'others' }), 'restore-differs');
      const plan = await said(async () => {
        await inReadOnlySession(run.knex, (session) => planRestore(session, { migration: 'm' }));
      });
      expect(plan).to.contain(replaced);
      await restore({ table: 'others' }, digestIn(error.next));
      expect(await isThere('others')).to.equal(true);
      expect(await isThere('children')).to.equal(false);
      // The other table is in a new entry, which holds the OID of the new table.
      expect(await down({ tables: ['children', 'others'] })).to.contain('identical to what was dropped');
    });

    it('is reported where the tables were restored by other means', async () => {
      await run.up(drop());
      await run.knex.raw(`${anew};
        create table children (id int primary key, parent_id int references parents on delete cascade);
        insert into children values (10, 1), (11, 2)`);
      const [left] = await inSession(run.knex, (session) => settleEntries(session));
      expect(left?.reason).to.contain('table public.parents: pg_class.oid was');
      const [done] = await inSession(run.knex, (session) =>
        settleEntries(session, digestIn(left?.reason ?? '')),
      );
      expect(done?.restored).to.equal(true);
    });
  });

  describe('a table that another migration dropped and restored', () => {
    const parents = drop({ name: 'n', tables: ['parents'] });
    const equal = 'identical to what was dropped';

    it('is not replaced, however often', async () => {
      const prune = async () => (await inSession(run.knex, (session) => pruneArchive(session, {}))).removed;
      await run.up(drop());
      for (const _ of [1, 2]) {
        await run.up(parents);
        await run.down(parents);
      }
      expect(await prune()).to.deep.equal([]);
      expect(await down())
        .to.contain(equal)
        .and.not.contain(replaced);
      expect(await prune()).to.have.length(3);
      await run.up(drop());
      await run.up(parents);
      await run.down(parents);
      await run.knex.raw(anew);
      await refusalOf(run.down(drop()), 'restore-differs');
    });

    it('is not replaced where it was restored alone, or by other means', async () => {
      const several = drop({ name: 'n', tables: ['parents', 'others'] });
      await run.up(drop());
      await run.up(several);
      await inSession(run.knex, (session) => restoreArchive(session, { table: 'others' }));
      await run.down(several);
      expect(await down())
        .to.contain(equal)
        .and.not.contain(replaced);
      await run.up(drop());
      await run.up(parents);
      await run.knex.raw(`
        create table parents (id int primary key, name text);
        insert into parents values (1, 'of old'), (2, 'of old')`);
      expect(await inSession(run.knex, (session) => settleEntries(session))).to.have.length(1);
      expect(await down())
        .to.contain(equal)
        .and.not.contain(replaced);
    });

    it('is not replaced where it refers to a restored table', async () => {
      await run.up(parents);
      await run.up(drop());
      await run.down(drop());
      expect(await said(() => run.down(parents)))
        .to.contain(equal)
        .and.not.contain(replaced);
      await run.knex.raw('delete from parents where id = 1');
      expect(await run.rows('select id from children')).to.deep.equal([{ id: 11 }]);
    });
  });

  describe('related objects', () => {
    it('refuses a table that refers to the dropped one, if rows do', async () => {
      await run.knex.raw(`
        create table grandchildren (child_id int references children on delete cascade);
        insert into grandchildren values (10)`);
      await run.up(drop());
      await run.knex.raw('drop table grandchildren; create table grandchildren (child_id int)');
      expect(await down()).to.contain(`${replaced}table public.grandchildren`);
      await run.up(drop({ name: 'n' }));
      await run.knex.raw(`
        drop table grandchildren;
        create table grandchildren (child_id int);
        insert into grandchildren values (11)`);
      const error = await refusalOf(run.down(drop({ name: 'n' })), 'restore-differs');
      expect(error.reason)
        .to.contain('table public.grandchildren')
        .and.contain('tied to rows of table public.children');
    });

    it('refuses a partitioned table or a parent, if rows would belong to it', async () => {
      await run.knex.raw(`
        create table whole (id int) partition by list (id);
        create table part partition of whole for values in (1, 2) partition by list (id);
        create table leaf partition of part for values in (1);
        create table parent (id int);
        create table child () inherits (parent)`);
      const parts = { tables: ['part', 'child'] };
      const wholes = `
        drop table whole, parent;
        create table whole (id int) partition by list (id);
        create table parent (id int)`;
      await run.up(drop(parts));
      await run.knex.raw(wholes);
      expect(await down(parts)).to.contain(`${replaced}table public.parent, table public.whole`);
      await run.knex.raw('insert into leaf values (1); insert into child values (1)');
      await run.up(drop({ ...parts, name: 'n' }));
      await run.knex.raw(wholes);
      const error = await refusalOf(run.down(drop({ ...parts, name: 'n' })), 'restore-differs');
      expect(error.reason.split('\n').map((line) => line.split(':')[0])).to.deep.equal([
        'table public.parent',
        'table public.whole',
      ]);
    });

    it('logs types, functions, schemas, roles and sequences', async () => {
      await run.knex.raw(`
        create role ${rolePrefix}_replaced;
        create schema app;
        create type mood as enum ('ok', 'not ok');
        create sequence numbers;
        create function app.f() returns int language sql as 'select 1';
        create table app.t (id int default nextval('numbers'), m mood, n int default app.f());
        alter table app.t owner to ${rolePrefix}_replaced;
        create view kept as select 1 as one`);
      const app = { tables: ['app.t'] };
      await run.up(drop(app));
      await run.knex.raw(`
        drop schema app cascade; drop type mood; drop sequence numbers; drop role ${rolePrefix}_replaced;
        create role ${rolePrefix}_replaced;
        create schema app;
        create type mood as enum ('ok');
        create sequence numbers;
        create function app.f() returns int language sql as 'select 2'`);
      try {
        expect(await down(app)).to.contain(
          `${replaced}function app.f(), role ${rolePrefix}_replaced, schema app, sequence public.numbers, type public.mood\n`,
        );
        await run.up(drop({ ...app, name: 'n' }));
        await run.knex.raw(`
          create or replace function app.f() returns int language sql as 'select 3';
          alter type mood add value 'more';
          alter sequence numbers restart 7`);
        expect(await down({ ...app, name: 'n' })).to.not.contain(replaced);
      } finally {
        await run.knex.raw(`drop owned by ${rolePrefix}_replaced; drop role ${rolePrefix}_replaced`);
      }
    });
  });

  describe('are not detected', () => {
    it('in an entry of an older version', async () => {
      await run.up(drop());
      await run.knex.raw(`
        update undrop.drops as d set identity = null, database_oid = null, system_identifier = null, archive_oid = null,
          prerequisites = (
            select jsonb_agg(p - 'oid' - 'catalog' - 'column') from jsonb_array_elements(d.prerequisites) as p);
        update undrop.drops as d set digest = split_part(digest, '.', 1) || '.' || ${headSql}`);
      await run.knex.raw(anew);
      expect(await down())
        .to.contain('identical to what was dropped')
        .and.not.contain(replaced);
    });

    it('after a dump, even into the same database', async () => {
      await run.up(drop());
      // Like restoring a dump: new OIDs, the same identity and the same rows.
      await run.knex.raw(`
        alter schema undrop rename to before;
        create schema undrop;
        do $$
        declare t record;
        begin
          for t in select relname from pg_class where relnamespace = 'before'::regnamespace and relkind = 'r' loop
            execute format('create table undrop.%1$I as table before.%1$I', t.relname);
          end loop;
        end $$;
        drop schema before cascade`);
      await run.knex.raw(anew);
      expect(await down())
        .to.contain('identical to what was dropped')
        .and.not.contain(replaced);
    });

    it('in a copy of the database', async () => {
      await run.up(drop());
      await run.end();
      const copy = await server.createDatabase(undefined, { template: database.name });
      await reopen(copy.url);
      await run.knex.raw(anew);
      expect(await down())
        .to.contain('identical to what was dropped')
        .and.not.contain(replaced);
      await run.end();
      await server.dropDatabase(copy.name);
      await reopen();
    });
  });
});
