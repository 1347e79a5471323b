import { expect } from 'chai';
import { chooseEntry, type Wanted } from '../src/archive/choose-entry.ts';
import { readEntries } from '../src/archive/entries.ts';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import type { DropOptions } from '../src/options/options.ts';
import { settleEntries } from '../src/restore/mark-restored.ts';
import { planRestore, restoreArchive } from '../src/restore/restore.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { inSession } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { restorePointName } from '../src/up/restore-point.ts';
import { verifyDatabase } from '../src/verify/verify.ts';
import { refusalOf, runner } from './support/migrate.ts';
import { wholeText } from './support/pg-dump.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { untilBlocking } from './support/until.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('restore from the archive', () => {
  const server = useServer();

  const { database, run } = useDatabase(
    server,
    `
      create table kept (id int primary key);
      insert into kept values (1);
      create table a (id int generated always as identity primary key, kept_id int references kept, v text);
      create table b (id serial primary key, a_id int references a, twice int generated always as (a_id * 2) stored);
      create table c (id int primary key, a_id int constraint to_a references a, b_id int constraint to_b references b);
      create view of_a as select v from a;
      create view of_b as select a.v from a join b on b.a_id = a.id;
      insert into a (kept_id, v) select 1, 'v' || g from generate_series(1, 500) as g;
      insert into b (a_id) select g from generate_series(1, 300) as g;
      insert into c select g, g, g from generate_series(1, 100) as g;
      comment on schema public is 'as it was'`,
  );

  const make = (options: Partial<DropOptions> = {}) =>
    reversibleDrop({
      name: 'm',
      tables: { a: 'old', b: 'older', c: 'oldest' },
      rows: 'copy',
      dependents: 'cascade',
      schemaComment: 'they are gone',
      ...options,
    });
  // PostgreSQL orders some statements by their OIDs.
  const look = async () => (await wholeText(database.url)).split(';\n').sort().join(';\n');
  const restore = (wanted: Wanted) => inSession(run.knex, (session) => restoreArchive(session, wanted));
  const entries = () => inReadOnlySession(run.knex, readEntries);
  const tables = async () =>
    (
      await run.rows<{ name: string }>(
        `select tablename as name from pg_tables where schemaname = 'public' order by 1`,
      )
    ).map(({ name }) => name);
  const comment = async () =>
    (await run.rows<{ text: string }>(`select obj_description('public'::regnamespace) as text`))[0]?.text;

  describe('a whole migration', () => {
    it('is restored, and a rollback finds it restored', async () => {
      const before = await look();
      await run.up(make());
      const { tables: restored, rest } = await restore({ migration: 'm' });
      expect(restored).to.deep.equal(['public.a', 'public.b', 'public.c']);
      expect(rest).to.equal(null);
      expect(await look()).to.equal(before);
      await run.down(make());
      expect(await look()).to.equal(before);
      expect((await restore({ migration: 'm' })).tables).to.deep.equal([]);
    });

    it('is refused like a rollback', async () => {
      await refusalOf(restore({ migration: 'm' }), 'archive-missing');
      await run.up(make());
      const unknown = await refusalOf(restore({ migration: 'n' }), 'archive-missing');
      expect(unknown.reason).to.equal('It holds m.');
      await run.knex.raw('create table a ()');
      await refusalOf(restore({ migration: 'm' }), 'name-taken');
      await run.knex.raw('drop table a; drop table kept');
      await refusalOf(restore({ migration: 'm' }), 'prerequisite-gone');
    });
  });

  describe('one table', () => {
    it('is restored with its rows while the others stay dropped; a rollback restores the others', async () => {
      const before = await look();
      await run.up(make());
      const [dropped] = await entries();
      const { rest } = await restore({ table: 'public.c' });
      expect(await tables()).to.deep.equal(['c', 'kept']);
      expect(await run.rows('select * from c')).to.have.length(100);
      expect(await comment()).to.equal('they are gone');
      expect(rest).to.deep.equal({
        entry: 2,
        tables: ['public.a', 'public.b'],
        waiting: [
          { kind: 'table constraint', identity: 'to_a on public.c' },
          { kind: 'table constraint', identity: 'to_b on public.c' },
          { kind: 'view', identity: 'public.of_a' },
          { kind: 'view', identity: 'public.of_b' },
        ],
      });

      const [old, open] = await entries();
      expect(old).to.include({
        id: 1,
        splitInto: 2,
        note: '1 of 3 tables restored, the others are in entry 2',
      });
      expect(open).to.include({ id: 2, restoredAt: null, droppedAt: dropped?.droppedAt, lsn: dropped?.lsn });
      expect(open?.restorePoint).to.equal(dropped?.restorePoint);
      expect(open?.note).to.match(/^1 of 3 tables restored, the last on .*; 2 still dropped$/);
      expect(open?.tables).to.deep.equal([
        { sql: 'public.a', reason: 'old', written: 'a' },
        { sql: 'public.b', reason: 'older', written: 'b' },
      ]);
      const stores = await run.rows(
        `select relname from pg_class where relname ~ '^rows_.*' and relkind = 'r'`,
      );
      expect(stores).to.have.length(2);

      // A client changes rows that the missing key will have to accept.
      await run.knex.raw('insert into c values (101, 400, 300)');
      await run.down(make());
      await run.knex.raw('delete from c where id = 101');
      expect(await look()).to.equal(before);
      await run.down(make());
    });

    it('after another gives the same result as all at once', async () => {
      const before = await look();
      await run.up(make());
      for (const table of ['b', 'a', 'c']) await restore({ table });
      expect(await look()).to.equal(before);
      await run.down(make());
      const kept = await entries();
      expect(kept.map(({ restoredAt }) => restoredAt === null)).to.deep.equal([false, false, false]);
      expect(kept[1]?.note).to.equal('1 of 2 tables restored, the others are in entry 3');
      await run.up(make());
      await run.down(make());
      expect(await look()).to.equal(before);
    });

    it('keeps usage, approvals and backup of the others', async () => {
      await run.up(make());
      await run.knex.raw(`
        update undrop.drops set approvals = '[{"table": "a"}]', backup_id = 7, overrides = '["X=1"]', dropped_by = 'who',
          digest = split_part(digest, '.', 1);
        update undrop.evidence set usage = jsonb_build_object('of', table_name)`);
      await restore({ table: 'a' });
      const [entry] = await run.rows('select * from undrop.drops where restored_at is null');
      expect(entry).to.deep.include({
        approvals: [{ table: 'a' }],
        backup_id: '7',
        overrides: ['X=1'],
        dropped_by: 'who',
        schema_comment: { schema: 'public', before: 'as it was', after: 'they are gone' },
      });
      const usage = await run.rows('select usage from undrop.evidence where drop_id = 2 order by table_name');
      expect(usage).to.deep.equal([{ usage: { of: 'public.b' } }, { usage: { of: 'public.c' } }]);
    });

    it('leaves the schema comment to the restore of the others, after a later drop too', async () => {
      await run.up(make({ tables: ['a', 'b'] }));
      await run.knex.raw('create table d ()');
      await run.up(make({ name: 'n', tables: ['d'], schemaComment: 'and another' }));
      await restore({ table: 'a' });
      expect(await comment()).to.equal('and another');
      const { checks } = await inReadOnlySession(run.knex, (session) =>
        verifyDatabase(session, { expect: 3 }),
      );
      expect(checks.map(({ state }) => state)).to.deep.equal([
        'ok',
        'ok',
        'not checked',
        'ok',
        'ok',
        'not checked',
        'not checked',
      ]);
      await run.down(make({ name: 'n', tables: ['d'] }));
      await run.down(make());
      expect(await comment()).to.equal('as it was');
    });

    it('is the whole entry where it is the only one', async () => {
      const before = await look();
      const one = make({ tables: ['c'] });
      await run.up(one);
      expect((await restore({ table: 'c' })).rest).to.equal(null);
      expect(await look()).to.equal(before);
      await run.down(one);
    });

    it('can be marked as restored with the others, if they were restored by other means', async () => {
      await run.knex.raw('create table d (id int); create table e (id int)');
      await run.up(make({ tables: ['d', 'e'] }));
      await restore({ table: 'd' });
      await run.knex.raw('create table e (id int)');
      const settled = await inSession(run.knex, settleEntries);
      expect(settled).to.deep.equal([{ migration: 'm', id: 2, restored: true, reason: null }]);
      expect(await comment()).to.equal('as it was');
    });

    it('of several entries must be chosen', async () => {
      await run.knex.raw('create schema app; create table app.c (); create table d ()');
      await run.up(make({ tables: ['c'] }));
      await run.up(reversibleDrop({ name: 'n', tables: ['app.c', 'd'] }));
      const error = await refusalOf(restore({ table: 'c' }), 'bad-options');
      expect(error.reason).to.equal('public.c of m (entry 1)\napp.c of n (entry 2)');
      await restore({ table: 'app.c' });
      await restore({ table: 'c', migration: 'm' });
      expect(await tables()).to.deep.equal(['a', 'b', 'c', 'kept']);
    });

    it('that no open entry holds is refused, with the reason', async () => {
      const none = await refusalOf(restore({ table: 'a' }), 'archive-missing');
      expect(none.reason).to.equal('The archive has no open entry.');
      await run.up(make());
      const never = await refusalOf(restore({ table: 'kept' }), 'archive-missing');
      expect(never.reason).to.equal(
        'The archive has no entry for it. The open entries hold public.a, public.b, public.c.',
      );
      await restore({ table: 'a' });
      const restored = await refusalOf(restore({ table: 'a' }), 'archive-missing');
      expect(restored.reason).to.match(/^It was restored on 2\S+ by postgres \(entry 1 of m\)\.$/);
    });

    it('that is part of another one is refused', async () => {
      await run.knex.raw(`
        create table p (id int) partition by list (id);
        create table p1 partition of p for values in (1);
        create table p2 partition of p for values in (2)`);
      const parted = make({ tables: ['p', 'p1'] });
      await run.up(parted);
      const along = await refusalOf(restore({ table: 'p2' }), 'archive-missing');
      expect(along.reason).to.equal(
        'It was dropped as a dependent object of public.p, public.p1 by m (entry 1).',
      );
      const alone = await refusalOf(restore({ table: 'p1' }), 'prerequisite-gone');
      expect(alone.reason).to.contain('It depends on another table of the same entry');
      expect(await entries()).to.have.length(1);
      await run.down(parted);
    });

    it('is refused where its name is taken, or a prerequisite of the others no longer exists; nothing changes', async () => {
      await run.up(make());
      await run.knex.raw('create view b as select 1 as x');
      await refusalOf(restore({ table: 'a' }), 'name-taken');
      await run.knex.raw('drop view b; drop table kept');
      await refusalOf(restore({ table: 'c' }), 'prerequisite-gone');
      expect(await tables()).to.deep.equal([]);
      expect((await entries()).map(({ restoredAt }) => restoredAt)).to.deep.equal([null]);
    });

    it('waits for locks like the drop, and releases them after a timeout', async () => {
      await run.up(make());
      const other = await server.client(database.name);
      await other.query('begin; select * from kept');
      const restored = restore({ table: 'c' });
      await untilBlocking(other);
      await other.query('commit');
      await restored;
      await other.end();
      expect(await tables()).to.deep.equal(['c', 'kept']);
    });

    it('is restored by one of two concurrent sessions', async () => {
      await run.up(make());
      const both = await Promise.allSettled([restore({ table: 'c' }), restore({ table: 'c' })]);
      expect(both.map(({ status }) => status).sort()).to.deep.equal(['fulfilled', 'rejected']);
      const refused = both.find((one) => one.status === 'rejected');
      expect(refused?.reason).to.include({ code: 'archive-missing' });
      await run.down(make());
      expect(await tables()).to.deep.equal(['a', 'b', 'c', 'kept']);
    });
  });

  describe('a plan', () => {
    const plan = (wanted: Wanted) => inReadOnlySession(run.knex, (session) => planRestore(session, wanted));

    it('of a whole migration prints statements that restore it when run', async () => {
      await run.up(make());
      const { statements } = await plan({ migration: 'm' });
      expect(statements.at(-1)).to.equal(`comment on schema public is 'as it was'`);
      expect(await tables()).to.deep.equal(['kept']);
      await restore({ migration: 'm' });
      const again = await plan({ migration: 'm' });
      expect(again.statements).to.deep.equal([]);
    });

    it('of one table prints the drop of the others too', async () => {
      await run.up(make());
      const { statements } = await plan({ table: 'c' });
      expect(statements.at(-1)).to.equal('drop table public.a, public.b cascade');
      expect(statements).to.include(
        'insert into public.c (id, a_id, b_id) overriding system value\n' +
          'select s.id, s.a_id, s.b_id from undrop.rows_1_3 as s',
      );
      expect(await entries()).to.have.length(1);
    });

    it('is refused like the restore', async () => {
      await run.up(make());
      await run.knex.raw('create table a ()');
      await refusalOf(plan({ table: 'c' }), 'name-taken');
    });
  });

  describe('the position in the write-ahead log', () => {
    const plainly = reversibleDrop({ name: 'm', tables: ['plain'] });

    it('is a named restore point where the role may set one', async () => {
      await run.up(make());
      const [entry] = await entries();
      expect(entry?.restorePoint).to.equal('undrop m #1');
      expect(entry?.lsn).to.match(/^[0-9A-F]+\/[0-9A-F]+$/);
      const [row] = await run.rows(`select lsn <= pg_current_wal_insert_lsn() as past from undrop.drops`);
      expect(row).to.deep.equal({ past: true });
    });

    it('is an LSN only where it may not', async () => {
      await run.knex.raw(`
        create role ${rolePrefix}_plain login;
        grant create on database "${database.name}" to ${rolePrefix}_plain;
        grant create on schema public to ${rolePrefix}_plain;
        create table plain (); alter table plain owner to ${rolePrefix}_plain`);
      const plain = runner(server.url(database.name, `${rolePrefix}_plain`));
      try {
        await plain.up(plainly);
        const [entry] = await inReadOnlySession(plain.knex, readEntries);
        expect(entry).to.include({ restorePoint: null });
        expect(entry?.lsn).to.match(/^[0-9A-F]+\/[0-9A-F]+$/);
        await plain.down(plainly);
      } finally {
        await plain.end();
        await run.knex.raw(
          `drop schema if exists undrop cascade; reassign owned by ${rolePrefix}_plain to postgres; drop owned by ${rolePrefix}_plain; drop role ${rolePrefix}_plain`,
        );
      }
    });

    it('is null where the server does not return it, and the drop continues', async () => {
      await run.knex.raw(`
        create role ${rolePrefix}_plain login;
        grant create on database "${database.name}" to ${rolePrefix}_plain;
        grant create on schema public to ${rolePrefix}_plain;
        create table plain (); alter table plain owner to ${rolePrefix}_plain;
        revoke execute on function pg_current_wal_insert_lsn() from public`);
      const plain = runner(server.url(database.name, `${rolePrefix}_plain`));
      try {
        await plain.up(plainly);
        const [entry] = await inReadOnlySession(plain.knex, readEntries);
        expect(entry).to.include({ restorePoint: null, lsn: null });
      } finally {
        await plain.end();
        await run.knex.raw(
          `drop schema if exists undrop cascade; reassign owned by ${rolePrefix}_plain to postgres; drop owned by ${rolePrefix}_plain;
           drop role ${rolePrefix}_plain`,
        );
      }
    });

    it('has a name of at most 63 bytes', () => {
      expect(restorePointName('044_cleanup_legacy_tables', 12)).to.equal(
        'undrop 044_cleanup_legacy_tables #12',
      );
      const long = restorePointName('ä'.repeat(100), 123);
      expect(Buffer.byteLength(long)).to.be.within(62, 63);
      expect(long).to.match(/^undrop ä+ #123$/);
      expect(restorePointName('two\nlines', 1)).to.equal('undrop two\\u000alines #1');
    });
  });

  it('takes the latest entry of a migration that was run twice', async () => {
    await run.up(make());
    await run.down(make());
    await quietly(() => run.up(make()));
    const { entry } = await inReadOnlySession(run.knex, (session) =>
      chooseEntry(session, { migration: 'm' }),
    );
    expect(entry.id).to.equal(2);
  });
});
