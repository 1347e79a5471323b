import { expect } from 'chai';
import type { Knex } from 'knex';
import { ensureArchive } from '../src/archive/schema.ts';
import { planDrop, reversibleDrop } from '../src/index.ts';
import { inSession } from '../src/session/session.ts';
import { refusalOf, runner, said, withEnvironment } from './support/migrate.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { untilBlocking } from './support/until.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('up and down', () => {
  const server = useServer();

  const { database, run, reopen } = useDatabase(
    server,
    `
      create table kept (id int primary key);
      insert into kept values (1);
      create table a (id serial primary key, kept_id int references kept);
      create table b (id int);`,
  );

  const both = reversibleDrop({ name: '001_both', tables: { a: 'old', b: 'older' } });
  const tables = async () =>
    (
      await run.rows<{ tablename: string }>(
        `select tablename from pg_tables where schemaname = 'public' order by 1`,
      )
    ).map((row) => row.tablename);

  describe('the archive', () => {
    it('records the role, the tables, the reason, the client and the usage statistics', async () => {
      await run.up(both);
      const [entry] = await run.rows('select * from undrop.drops');
      expect(entry).to.deep.include({
        migration: '001_both',
        tables: [
          { written: 'a', sql: 'public.a', reason: 'old' },
          { written: 'b', sql: 'public.b', reason: 'older' },
        ],
        dropped_by: 'postgres',
        database: database.name,
        overrides: [],
        restored_at: null,
      });
      const usage = await run.rows<{ usage: object }>(
        'select usage from undrop.evidence order by table_name',
      );
      expect(usage).to.have.length(2);
      expect(usage[0]?.usage).to.include.keys('seq_scan', 'n_tup_ins', 'stats_reset');
    });

    it('cannot be read by other roles', async () => {
      await run.up(both);
      const [row] = await run.rows(`select has_schema_privilege('pg_monitor', 'undrop', 'usage') as open`);
      expect(row).to.deep.equal({ open: false });
    });
  });

  describe('repeated calls', () => {
    it('of up do nothing when the tables were dropped', async () => {
      await run.up(both);
      await run.up(both);
      expect(await run.rows('select id from undrop.drops')).to.have.length(1);
    });

    it('of up are refused when a table of that name exists', async () => {
      await run.up(both);
      await run.knex.raw('create table a ()');
      const error = await refusalOf(run.up(both), 'name-taken');
      expect(error.subject).to.equal('public.a');
    });

    it('of down do nothing when the tables were restored', async () => {
      await run.up(both);
      await run.down(both);
      await run.down(both);
      expect(await tables()).to.deep.equal(['a', 'b', 'kept']);
    });

    it('of up and down alternate, each up with a new entry', async () => {
      for (let round = 0; round < 3; round++) {
        await run.up(both);
        await run.down(both);
      }
      expect(await run.rows('select id from undrop.drops where restored_at is not null')).to.have.length(3);
    });
  });

  describe('the transaction', () => {
    it('is started by the migration if Knex does not pass one', async () => {
      await both.up(run.knex);
      expect(await tables()).to.deep.equal(['kept']);
      await both.down(run.knex);
      expect(await tables()).to.deep.equal(['a', 'b', 'kept']);
    });

    it('has its previous settings afterwards', async () => {
      const settings = 'search_path, TimeZone, row_security, lock_timeout, DateStyle, jit'.split(', ');
      const read = async (knex: Knex) =>
        (
          await knex.raw(
            `select ${settings.map((name, i) => `current_setting('${name}') as s${i}`).join(', ')}`,
          )
        ).rows[0];
      await run.knex.transaction(async (transaction) => {
        await transaction.raw(
          `set local search_path = kept_schema, public; set local timezone = 'Asia/Tokyo'`,
        );
        const before = await read(transaction);
        await both.up(transaction);
        expect(await read(transaction)).to.deep.equal(before);
        await both.down(transaction);
        expect(await read(transaction)).to.deep.equal(before);
      });
    });

    it('can continue after a caught refusal, without any change', async () => {
      await run.knex.raw('insert into b values (1)');
      await run.knex.transaction(async (transaction) => {
        const before = (await transaction.raw(`select current_setting('search_path') as path`)).rows;
        await refusalOf(both.up(transaction), 'not-empty');
        expect((await transaction.raw(`select current_setting('search_path') as path`)).rows).to.deep.equal(
          before,
        );
        await transaction.raw('create table after_the_refusal ()');
      });
      expect(await tables()).to.deep.equal(['a', 'after_the_refusal', 'b', 'kept']);
    });

    it('of its own runs at READ COMMITTED, whatever the default of the database', async () => {
      await run.knex.raw(
        `alter database ${database.name} set default_transaction_isolation = 'serializable'`,
      );
      await reopen();
      const { next } = await refusalOf(run.up(both), 'unsupported-server');
      expect(next).to.include('transaction: false');
      await both.up(run.knex);
      await both.down(run.knex);
    });

    for (const isolationLevel of ['repeatable read', 'serializable'] as const) {
      it(`is refused at ${isolationLevel}`, async () => {
        const work = run.knex.transaction((transaction) => both.up(transaction), { isolationLevel });
        await refusalOf(work, 'unsupported-server');
      });
    }

    it('is refused if it is read-only', async () => {
      const work = run.knex.transaction((transaction) => both.up(transaction), { readOnly: true });
      await refusalOf(work, 'unsupported-server');
    });
  });

  describe('names', () => {
    it('are looked up in the search path, in the order of its schemas', async () => {
      await run.knex.raw('create schema first; create table first.b (other text)');
      await run.knex.transaction(async (transaction) => {
        await transaction.raw('set local search_path = first, public');
        await reversibleDrop({ name: 'm', tables: ['b'] }).up(transaction);
      });
      expect(await tables()).to.deep.equal(['a', 'b', 'kept']);
    });

    it('are taken literally', async () => {
      await run.knex.raw('create table "userPosts" (); create table userposts ()');
      await run.up(reversibleDrop({ name: 'm', tables: ['userPosts'] }));
      expect(await tables())
        .to.include('userposts')
        .and.not.to.include('userPosts');
    });

    it('of other objects are refused, all in one error', async () => {
      await run.knex.raw('create view v as select 1 as x; create sequence s');
      const error = await refusalOf(
        run.up(reversibleDrop({ name: 'm', tables: ['v', 's', 'pg_catalog.pg_class', 'a'] })),
        'not-a-table',
      );
      expect(error.reason.split('\n')).to.deep.equal([
        'v is a view',
        's is a sequence',
        'pg_catalog.pg_class belongs to the system',
      ]);
    });

    it('of temporary tables are refused', async () => {
      await run.knex.transaction(async (transaction) => {
        await transaction.raw('create temporary table t ()');
        await refusalOf(
          reversibleDrop({ name: 'm', tables: ['pg_temp.t', 't'] }).up(transaction),
          'missing-table',
        );
      });
    });

    it('of missing tables are refused, or skipped with missing: skip', async () => {
      const names = { name: 'm', tables: ['a', 'gone', 'app.gone'] };
      const error = await refusalOf(run.up(reversibleDrop(names)), 'missing-table');
      expect(error.subject).to.equal('gone, app.gone');
      await run.up(reversibleDrop({ ...names, missing: 'skip' }));
      expect(await tables()).to.deep.equal(['b', 'kept']);
    });

    it('of missing tables only are refused, or recorded as an entry without tables with missing: skip', async () => {
      const names = { name: 'm', tables: ['gone', 'lost'] };
      const error = await refusalOf(run.up(reversibleDrop(names)), 'missing-table');
      expect(error.reason).to.contain('wrong database');
      const skipping = reversibleDrop({ ...names, missing: 'skip', schemaComment: 'Dropped gone.' });
      expect(await said(() => run.up(skipping))).to.equal(
        'm: gone does not exist; skipped\nm: lost does not exist; skipped\n' +
          'm: none of the tables exists, nothing to drop (entry 1)\n',
      );
      expect(await said(() => run.up(skipping))).to.match(/already dropped on .* \(entry 1\); nothing to do/);
      expect(await tables()).to.deep.equal(['a', 'b', 'kept']);
      expect(await said(() => run.down(skipping))).to.equal(
        'm: nothing was dropped, nothing to restore (entry 1)\n',
      );
      expect(await said(() => run.down(skipping))).to.match(
        /already restored on .* \(entry 1\); nothing to do/,
      );
      expect(await tables()).to.deep.equal(['a', 'b', 'kept']);
      const [comment] = await run.rows<{ text: string | null }>(
        `select obj_description('public'::regnamespace) as text`,
      );
      expect(comment?.text).not.to.equal('Dropped gone.');
    });

    it('of tables of an extension are refused', async () => {
      await run.knex.raw('create extension if not exists pg_stat_statements');
      await run.knex.raw('alter extension pg_stat_statements add table b');
      const error = await refusalOf(run.up(both), 'extension-member');
      expect(error.reason).to.contain('b belongs to the extension pg_stat_statements');
    });
  });

  describe('locks', () => {
    it('that cannot be acquired lead to lock-timeout, which names the sessions that hold them', async () => {
      const other = await server.client(database.name);
      await other.query(`set application_name = 'the blocker'; begin; select * from kept`);
      const impatient = reversibleDrop({ name: 'm', tables: ['a'], lockTimeout: '50ms', lockTries: 2 });
      const error = await refusalOf(run.up(impatient), 'lock-timeout');
      expect(error.reason)
        .to.match(/kept: pid \d+ \(postgres, the blocker\) holds AccessShareLock/)
        .and.not.to.contain('select');
      const told = await withEnvironment({ UNDROP_SHOW_QUERIES: '1' }, () =>
        refusalOf(run.up(impatient), 'lock-timeout'),
      );
      expect(told.reason).to.contain('select * from kept');
      await other.query('commit');
      await other.end();
      await run.up(impatient);
    });

    it('are held from the check to the drop, even if the owner has revoked its own privileges', async () => {
      await run.knex.raw(
        `revoke all on b from postgres; create role ${rolePrefix}_owner login; alter table b owner to ${rolePrefix}_owner`,
      );
      await run.knex.raw(`revoke all on b from ${rolePrefix}_owner; grant insert on b to postgres`);
      await run.knex.raw(
        `grant create on database "${database.name}" to ${rolePrefix}_owner; grant create on schema public to ${rolePrefix}_owner`,
      );
      const owner = runner(server.url(database.name, `${rolePrefix}_owner`));
      const other = await server.client(database.name);
      try {
        await other.query('begin; insert into b values (1)');
        const refused = refusalOf(owner.up(reversibleDrop({ name: 'm', tables: ['b'] })), 'not-empty');
        await untilBlocking(other);
        await other.query('commit');
        await refused;
      } finally {
        await other.end();
        await owner.end();
        await run.knex.raw(`drop owned by ${rolePrefix}_owner; drop role ${rolePrefix}_owner`);
      }
    });

    it('of the restore lead to lock-timeout likewise, and can be acquired later', async () => {
      const patient = reversibleDrop({ name: 'm', tables: ['a'], lockTimeout: '50ms', lockTries: 2 });
      await run.up(patient);
      const other = await server.client(database.name);
      await other.query(`set application_name = 'the blocker'; begin; update kept set id = id`);
      const error = await refusalOf(run.down(patient), 'lock-timeout');
      expect(error.reason).to.match(/kept: pid \d+ \(postgres, the blocker\) holds RowExclusiveLock/);
      const down = run.down(reversibleDrop({ name: 'm', tables: ['a'] }));
      await untilBlocking(other);
      await other.query('commit');
      await down;
      await other.end();
      expect(await tables()).to.deep.equal(['a', 'b', 'kept']);
    });

    it('are waited for', async () => {
      const other = await server.client(database.name);
      await other.query('begin; select * from a');
      const up = run.up(both);
      await untilBlocking(other);
      await other.query('commit');
      await up;
      await other.end();
      expect(await tables()).to.deep.equal(['kept']);
    });
  });

  describe('the drop', () => {
    it('is refused if it also drops another object', async () => {
      await run.knex.raw(`
        create function sweep() returns event_trigger language plpgsql as $$
          begin
            if exists (select from pg_event_trigger_dropped_objects() where object_name = 'a') then
              drop table if exists public.bystander;
            end if;
          end $$;
        create table bystander (id int);
        create event trigger sweep on sql_drop execute function sweep();`);
      const error = await refusalOf(run.up(both), 'drop-differs');
      expect(error.reason).to.contain('pg_class');
      expect(await tables()).to.deep.equal(['a', 'b', 'bystander', 'kept']);
    });

    it('is refused if an event trigger changes the rehearsed restore', async () => {
      await inSession(run.knex, ensureArchive);
      await run.knex.raw(`
        create function meddle() returns event_trigger language plpgsql as $$
          begin comment on table public.b is 'meddled with'; exception when undefined_table then null; end $$;
        create event trigger meddle on ddl_command_end when tag in ('ALTER TABLE') execute function meddle();`);
      const error = await refusalOf(run.up(both), 'rehearsal-differs');
      expect(error.reason).to.contain('public.b').and.to.contain('meddled with');
    });

    it('is refused to a role that does not own the tables', async () => {
      await run.knex.raw(
        `create role ${rolePrefix}_stranger login; grant create on database "${database.name}" to ${rolePrefix}_stranger`,
      );
      const stranger = runner(server.url(database.name, `${rolePrefix}_stranger`));
      try {
        await refusalOf(stranger.up(both), 'insufficient-privilege');
      } finally {
        await stranger.end();
        await run.knex.raw(`drop owned by ${rolePrefix}_stranger; drop role ${rolePrefix}_stranger`);
      }
    });
  });

  describe('the restore', () => {
    it('is refused if names are taken, all in one error', async () => {
      await run.up(both);
      await run.knex.raw('create view b as select 1 as x; create sequence a_id_seq');
      const error = await refusalOf(run.down(both), 'name-taken');
      expect(error.subject).to.contain('table public.b').and.to.contain('sequence public.a_id_seq');
    });

    it('is refused if objects that the tables depend on do not exist, all in one error', async () => {
      await run.knex.raw(
        `create type mood as enum ('ok'); create role ${rolePrefix}_gone; alter table b add m mood; alter table b owner to ${rolePrefix}_gone`,
      );
      await run.up(both);
      await run.knex.raw(`drop table kept; drop type mood; drop role ${rolePrefix}_gone`);
      const error = await refusalOf(run.down(both), 'prerequisite-gone');
      for (const name of ['kept', 'mood', `${rolePrefix}_gone`]) expect(error.reason).to.contain(name);
    });

    it('is refused if a referenced key was dropped', async () => {
      await run.up(both);
      await run.knex.raw('alter table kept drop constraint kept_pkey');
      const error = await refusalOf(run.down(both), 'prerequisite-gone');
      expect(error.reason).to.contain('kept_pkey');
    });

    it('works after other changes to a referenced table', async () => {
      await run.up(both);
      await run.knex.raw(
        `alter table kept add note text default 'x'; comment on table kept is 'changed'; insert into kept values (2)`,
      );
      await run.down(both);
      expect(await tables()).to.deep.equal(['a', 'b', 'kept']);
    });

    it('is refused if a survivor has a replacement for what it lost', async () => {
      await run.knex.raw(`alter table kept add n int default nextval('a_id_seq')`);
      const cascade = reversibleDrop({ name: 'm', tables: ['a'], dependents: 'cascade' });
      await run.up(cascade);
      await run.knex.raw('alter table kept alter n set default 7');
      const error = await refusalOf(run.down(cascade), 'restore-differs');
      expect(error.reason).to.contain('kept');
      const [row] = await run.rows(
        `select pg_get_expr(adbin, adrelid) as d from pg_attrdef where adrelid = 'kept'::regclass`,
      );
      expect(row).to.deep.equal({ d: '7' });
    });

    it('is refused if an event trigger changes the restored table', async () => {
      await run.up(both);
      await run.knex.raw(`
        create function meddle() returns event_trigger language plpgsql as $$
          begin comment on table public.b is 'meddled with'; exception when undefined_table then null; end $$;
        create event trigger meddle on ddl_command_end when tag in ('ALTER TABLE') execute function meddle();`);
      await refusalOf(run.down(both), 'restore-differs');
      expect(await tables()).to.deep.equal(['kept']);
    });

    it('fails if the server rejects a statement', async () => {
      await run.up(both);
      await run.knex.raw(`
        create function forbid() returns event_trigger language plpgsql as $$ begin raise 'no tables today'; end $$;
        create event trigger forbid on ddl_command_start when tag in ('CREATE TABLE') execute function forbid();`);
      const error = await refusalOf(run.down(both), 'restore-failed');
      expect(error.reason).to.contain('no tables today');
      expect(error.next).to.equal('Nothing was changed. Remove the cause, then run it again.');
    });

    it('advises what a rollback can do, if a row that a foreign key references is gone', async () => {
      await run.knex.raw(`
        insert into kept values (7);
        create table refers (k int references kept);
        insert into refers values (7);`);
      const refers = reversibleDrop({ name: 'refers', tables: ['refers'], rows: 'copy' });
      await run.up(refers);
      await run.knex.raw('delete from kept where id = 7');
      const error = await refusalOf(run.down(refers), 'restore-failed');
      expect(error.next).not.to.include('the migration');
    });

    it('is refused without an open entry', async () => {
      await refusalOf(run.down(both), 'archive-missing');
      await run.up(reversibleDrop({ name: 'other', tables: ['a'] }));
      await refusalOf(run.down(both), 'archive-missing');
    });

    it('is refused if a restored table was dropped again', async () => {
      await run.up(both);
      await run.down(both);
      await run.knex.raw('drop table b');
      const error = await refusalOf(run.down(both), 'archive-missing');
      expect(error.subject).to.equal('b');
    });

    for (const damage of [
      `update undrop.statements set sql = sql || ' ' where position = 1`,
      `delete from undrop.facts where position = 3`,
      `update undrop.facts set columns = columns || '{"relname": "x"}' where catalog = 'pg_class'`,
    ]) {
      it(`is refused after ${damage.slice(0, 24)}…`, async () => {
        await run.up(both);
        await run.knex.raw(damage.replaceAll('?', '\\?'));
        await refusalOf(run.down(both), 'archive-damaged');
        expect(await tables()).to.deep.equal(['kept']);
      });
    }

    it('is refused if a newer version has written the archive', async () => {
      await run.up(both);
      await run.knex.raw('update undrop.identity set format = format + 1');
      await refusalOf(run.down(both), 'archive-damaged');
    });
  });

  describe('the comment on the schema', () => {
    const comment = () => run.rows(`select obj_description('public'::regnamespace) as text`);
    const commenting = reversibleDrop({ name: 'm', tables: ['b'], schemaComment: `it's gone?` });

    it('is set, and the previous one is restored', async () => {
      const before = await comment();
      await run.up(commenting);
      expect(await comment()).to.deep.equal([{ text: `it's gone?` }]);
      await run.down(commenting);
      expect(await comment()).to.deep.equal(before);
    });

    it('is removed if there was none before', async () => {
      await run.knex.raw('comment on schema public is null');
      await run.up(commenting);
      await run.down(commenting);
      expect(await comment()).to.deep.equal([{ text: null }]);
    });

    it('is left unchanged if it was changed after the drop', async () => {
      await run.up(commenting);
      await run.knex.raw(`comment on schema public is 'mine'`);
      await run.down(commenting);
      expect(await comment()).to.deep.equal([{ text: 'mine' }]);
    });

    it('is refused to a role that may not set it, unless it is turned off', async () => {
      await run.knex.raw(`
        create role ${rolePrefix}_plain login;
        grant create on database "${database.name}" to ${rolePrefix}_plain;
        grant create on schema public to ${rolePrefix}_plain;
        alter table b owner to ${rolePrefix}_plain`);
      const plain = runner(server.url(database.name, `${rolePrefix}_plain`));
      try {
        const error = await refusalOf(plain.up(commenting), 'insufficient-privilege');
        expect(error.next).to.contain('UNDROP_SCHEMA_COMMENT=off');
        await withEnvironment({ UNDROP_SCHEMA_COMMENT: 'off' }, () => plain.up(commenting));
        const [entry] = await plain.rows('select overrides from undrop.drops');
        expect(entry).to.deep.equal({ overrides: ['UNDROP_SCHEMA_COMMENT=off'] });
        await plain.down(commenting);
      } finally {
        await plain.end();
        await run.knex.raw(
          `drop schema if exists undrop cascade; drop owned by ${rolePrefix}_plain; drop role ${rolePrefix}_plain`,
        );
      }
    });
  });

  describe('approval', () => {
    const asking = reversibleDrop({ name: 'm', tables: ['a', 'b'], approval: 'each-table' });

    it('is required', async () => {
      expect(asking.ready()).to.equal(false);
      expect(asking.ready.waitsFor).to.contain('a, b');
      await refusalOf(run.up(asking), 'approval-missing');
    });

    it('applies to each table, and is stored with the role', async () => {
      let begun = 0;
      await withEnvironment(
        { APPROVED_DROPS: 'b', APPROVED_BY: 'the owner', APPROVAL_NOTE: 'go' },
        async () => {
          expect(asking.ready()).to.equal(true);
          begun = Date.now();
          await run.up(asking);
        },
      );
      expect(await tables()).to.deep.equal(['a', 'kept']);
      const [entry] = await run.rows<{ approvals: { at: string }[] }>('select approvals from undrop.drops');
      const [approval] = entry?.approvals ?? [];
      expect(approval).to.deep.include({ table: 'b', fingerprint: null, by: 'the owner', note: 'go' });
      expect(Date.parse(approval?.at ?? '')).to.be.within(begun, Date.now());
      await run.down(asking);
      expect(await tables()).to.deep.equal(['a', 'b', 'kept']);
    });

    it('with a fingerprint is refused after the table has changed', async () => {
      const plan = await withEnvironment({ APPROVED_DROPS: 'b' }, () =>
        planDrop(run.knex, { name: 'm', tables: ['a', 'b'], approval: 'each-table' }),
      );
      const APPROVED_DROPS = `b@${plan.tables[0]?.fingerprint}`;
      await run.knex.raw('alter table b add extra int');
      await withEnvironment({ APPROVED_DROPS }, () => refusalOf(run.up(asking), 'approval-stale'));
      await run.knex.raw('alter table b drop extra');
      await withEnvironment({ APPROVED_DROPS }, () => run.up(asking));
    });
  });

  describe('a plan', () => {
    it('lists the objects to be dropped, and changes nothing', async () => {
      await run.knex.raw('create view v as select id from b; insert into b values (1)');
      const plan = await planDrop(run.knex, { name: 'm', tables: ['b', 'gone'] });
      expect(plan.tables).to.have.length(1);
      expect(plan.missing).to.deep.equal(['gone']);
      expect(plan.closure.filter((member) => member.dependent)).to.deep.equal([
        { kind: 'view', identity: 'public.v', dependent: true },
      ]);
      expect(plan.filled).to.deep.equal([{ identity: 'public.b', found: '1 row' }]);
      expect(plan.statements.map(({ sql }) => sql).join('\n')).to.contain('create table public.b');
      expect(plan.fingerprint).to.match(/^[0-9a-f]{12}$/);
      expect(await run.rows(`select from pg_namespace where nspname = 'undrop'`)).to.have.length(0);
    });

    it('reports that no table exists', async () => {
      const plan = await planDrop(run.knex, { name: 'm', tables: ['gone', 'lost'] });
      expect(plan).to.deep.include({ tables: [], missing: ['gone', 'lost'], closure: [], statements: [] });
    });
  });
});
