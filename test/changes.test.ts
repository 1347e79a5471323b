import { expect } from 'chai';
import knexLib, { type Knex } from 'knex';
import type pg from 'pg';
import { reversibleDrop } from '../src/index.ts';
import { refusalOf } from './support/migrate.ts';
import { type FaultProxy, type Strike, startProxy } from './support/proxy.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { skip } from './support/skip.ts';
import { until, untilBlocking } from './support/until.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('a change that another session commits during a drop', () => {
  const server = useServer();
  let proxy: FaultProxy;
  let knex: Knex;
  const others: pg.Client[] = [];

  before(async () => {
    proxy = await startProxy(server.config('postgres'));
    await server.sql(
      'postgres',
      `create role ${rolePrefix}_reader; create role ${rolePrefix}_owner login noinherit`,
    );
  });

  after(async () => {
    await server.sql('postgres', `drop role ${rolePrefix}_reader; drop role ${rolePrefix}_owner`);
    await proxy.stop();
  });

  afterEach(async () => {
    await knex.destroy();
    for (const client of others.splice(0)) await client.end();
  });

  const { database, sql } = useDatabase(server);

  beforeEach(async () => {
    proxy.arm();
    knex = over();
    await sql(`
      create table kept (id int primary key);
      create table gone (id int primary key, kept_id int references kept, note text);
      create index gone_note on gone (note);
      create function about(gone) returns text language sql as $$ select 'first' $$;
      insert into gone values (1, null, 'kept');`);
  });

  function through(user?: string): string {
    const url = new URL(server.url(database.name, user));
    url.port = String(proxy.port);
    return String(url);
  }

  const over = (more: Knex.Config = {}) =>
    knexLib({ client: 'pg', connection: through(), pool: { min: 0, max: 1 }, ...more });

  const migration = (more = {}) =>
    reversibleDrop({ name: 'm', tables: ['gone'], dependents: 'cascade', rows: 'copy', ...more });

  /** From 18 on GRANT locks the table, and so waits for the end of the drop. */
  const grants = () => server.major < 18;
  const changes = () => `
    ${grants() ? `grant select (note) on gone to ${rolePrefix}_reader;` : ''}
    alter index gone_note rename to gone_note_2;
    comment on index gone_note_2 is 'renamed';
    create or replace function about(gone) returns text language sql as $$ select 'second' $$;
    grant execute on function about(gone) to ${rolePrefix}_reader`;
  const state = () =>
    sql(`select has_column_privilege('${rolePrefix}_reader', 'gone', 'note', 'select') as granted,
      obj_description(to_regclass('gone_note_2')) as renamed,
      about(gone) as replaced, has_function_privilege('${rolePrefix}_reader', 'about(gone)', 'execute') as executes
      from gone`);
  const changed = () => [{ granted: grants(), renamed: 'renamed', replaced: 'second', executes: true }];
  /** Each attempt has its own number. */
  const entry = async () => (await sql<{ id: number }>('select id::int from undrop.drops'))[0]?.id;

  const strike = (statement: RegExp, when: Strike['when'], text: string | (() => unknown)) =>
    proxy.arm({
      statement,
      when,
      fault: async () => {
        await (typeof text === 'string' ? sql(text) : text());
      },
    });

  it('is restored if it was made before the drop', async () => {
    strike(/drop table public\.gone/, 'before', changes());
    await migration().up(knex);
    expect(await entry()).to.equal(2);
    await migration().down(knex);
    expect(await state()).to.deep.equal(changed());
  });

  it('is restored if it was made while rows were copied, without copying them again', async () => {
    strike(/insert into undrop\.rows/, 'after', changes());
    await migration().up(knex);
    expect(await entry()).to.equal(1);
    await migration().down(knex);
    expect(await state()).to.deep.equal(changed());
  });

  it('is restored under its new name, although the caches of the server may hold the old one', async () => {
    // After the last statement before the closure is read again: no new lock is acquired from here on.
    strike(/^B[\s\S]*undrop\.rows_/, 'after', 'alter function about(gone) rename to told');
    await migration().up(knex);
    expect(await entry()).to.equal(1);
    await migration().down(knex);
    expect(await sql('select told(gone) from gone')).to.deep.equal([{ told: 'first' }]);
  });

  it('invalidates an approval with a fingerprint, also while rows are copied', async () => {
    const bound = migration({ approval: 'each-table' });
    process.env.APPROVED_DROPS = 'gone@000000000000';
    try {
      const { reason } = await refusalOf(bound.up(knex), 'approval-stale');
      process.env.APPROVED_DROPS = `gone@${/now (\w+)/.exec(reason)?.[1]}`;
      strike(/insert into undrop\.rows/, 'after', changes());
      await refusalOf(bound.up(knex), 'approval-stale');
    } finally {
      delete process.env.APPROVED_DROPS;
    }
  });

  const ownerOf = (name: string) =>
    sql(`select relowner::regrole::text as owner from pg_class where relname = '${name}'`);

  it('is restored if a lock would undo it', async () => {
    await sql('create view seen as select id from gone');
    strike(/alter view public\.seen owner/, 'before', `alter view seen owner to ${rolePrefix}_reader`);
    await migration().up(knex);
    await migration().down(knex);
    expect(await ownerOf('seen')).to.deep.equal([{ owner: `${rolePrefix}_reader` }]);
    await sql(`drop owned by ${rolePrefix}_reader`);
  });

  it('is restored if such a lock was waited for', async () => {
    await sql('create view seen as select id from gone');
    // The first migration creates the archive, whose locks exclude waiting.
    await migration().up(knex);
    await migration().down(knex);
    const other = await server.client(database.name);
    others.push(other);
    await other.query(`begin; comment on view seen is 'locked'`);
    const up = migration({ lockTries: 3, lockTimeout: '10s' }).up(knex);
    // The second attempt waits for the view alone.
    const waits = `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%lock_timeout = 10000;%'`;
    await until(async () => (await sql(waits)).length > 0);
    await other.query(`alter view seen owner to ${rolePrefix}_reader; commit`);
    await up;
    await migration().down(knex);
    expect(await ownerOf('seen')).to.deep.equal([{ owner: `${rolePrefix}_reader` }]);
    await sql(`drop owned by ${rolePrefix}_reader`);
  });

  it('of a name that a lock does not find leads to another attempt', async () => {
    await sql('create view seen as select id from gone');
    strike(/alter view public\.seen owner/, 'before', 'alter view seen rename to looked');
    await migration().up(knex);
    await migration().down(knex);
    expect(await sql(`select to_regclass('looked')::text as name`)).to.deep.equal([{ name: 'looked' }]);
  });

  it('of the name of a table is refused', async () => {
    strike(/lock table only public\.gone/, 'before', 'alter table gone rename to left_over');
    await refusalOf(migration().up(knex), 'missing-table');
    expect(await sql('select id from left_over')).to.deep.equal([{ id: 1 }]);
  });

  it('is named if there is no further attempt', async () => {
    strike(/drop table public\.gone/, 'before', changes());
    const error = await refusalOf(migration({ lockTries: 1 }).up(knex), 'drop-differs');
    expect(error.subject).to.include('function public.about(public.gone)');
    if (grants()) expect(error.subject).to.include('table public.gone');
    expect(error.reason).to.include('index public.gone_note');
    expect(await state()).to.deep.equal(changed());
    expect(await sql('select to_regnamespace($$undrop$$) as archive')).to.deep.equal([{ archive: null }]);
  });

  it('is waited for if it is not committed yet', async () => {
    const other = await server.client(database.name);
    others.push(other);
    let ended: Promise<unknown> | undefined;
    strike(/drop table public\.gone/, 'before', async () => {
      await other.query('begin; alter function about(gone) cost 7');
      ended = untilBlocking(other).then(() => other.query('commit'));
    });
    await migration().up(knex);
    await ended;
    await migration().down(knex);
    const cost = `select procost as cost from pg_proc where oid = 'about(gone)'::regprocedure`;
    expect(await sql(cost)).to.deep.equal([{ cost: 7 }]);
  });

  it('of a survivor is not taken for an effect of the drop', async function () {
    if (!grants()) skip(this, 'from PostgreSQL 18 on GRANT locks the table');
    strike(/drop table public\.gone/, 'before', `grant select on kept to ${rolePrefix}_reader`);
    await migration().up(knex);
    strike(/drop table public\.gone/, 'after', `grant insert on kept to ${rolePrefix}_reader`);
    expect(await sql(`select host_changes from undrop.drops`)).to.deep.equal([{ host_changes: [] }]);
    await migration().down(knex);
  });

  it('that depends on a dropped function is dropped and restored too, even after the drop', async () => {
    // Minor releases of November 2026 lock what a new object depends on, and so have it wait for the drop.
    let waits = false;
    strike(/drop table public\.gone/, 'after', () =>
      sql(`set lock_timeout = '200ms'; create view late as select about(null) as a`).catch((error) => {
        expect(error.code).to.equal('55P03');
        waits = true;
      }),
    );
    await migration().up(knex);
    await migration().down(knex);
    if (waits) expect(await sql(`select to_regclass('late') as late`)).to.deep.equal([{ late: null }]);
    else expect(await sql('select * from late')).to.deep.equal([{ a: 'first' }]);
  });

  it('is distinguished from earlier changes of the same transaction', async () => {
    await knex.transaction(async (transaction) => {
      await transaction.raw(`
        create table own (id int primary key, note text);
        comment on table own is 'own';
        alter table gone add more int;
        alter index gone_note rename to gone_n;
        comment on index gone_n is 'gone_n';
        grant select on gone to ${rolePrefix}_reader;
        alter function about(gone) owner to ${rolePrefix}_reader`);
      await migration({ tables: ['own', 'gone'], lockTries: 1 }).up(transaction);
    });
    await migration({ tables: ['own', 'gone'] }).down(knex);
    expect(
      await sql(`select obj_description('own'::regclass) as own, obj_description('gone_n'::regclass) as gone, more,
        proowner::regrole::text from gone, pg_proc where proname = 'about'`),
    ).to.deep.equal([{ own: 'own', gone: 'gone_n', more: null, proowner: `${rolePrefix}_reader` }]);
  });

  it('is noticed in addition to changes of the same transaction', async () => {
    strike(/drop table public\.gone/, 'before', `comment on function about(gone) is 'theirs'`);
    await knex.transaction(async (transaction) => {
      await transaction.raw(`comment on table gone is 'ours'`);
      await migration().up(transaction);
    });
    await migration().down(knex);
    const comments = `select obj_description('gone'::regclass) as ours, obj_description('about(gone)'::regprocedure) as theirs`;
    expect(await sql(comments)).to.deep.equal([{ ours: 'ours', theirs: 'theirs' }]);
  });

  describe('is seen on a second connection', () => {
    const connections = () =>
      sql<{ state: string }>(
        `select state from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
      );
    /** A session that was closed is listed until its process has ended. */
    const untilOneIsIdle = () =>
      until(async () => (await connections()).map(({ state }) => state).join() === 'idle');

    it('that is closed, whether tables are dropped or not', async () => {
      await migration().up(knex);
      await untilOneIsIdle();
      await migration().down(knex);
      await refusalOf(migration({ rows: 'refuse' }).up(knex), 'not-empty');
      await refusalOf(migration({ tables: ['nowhere'] }).up(knex), 'missing-table');
      await untilOneIsIdle();
    });

    it('and if that connection is lost, nothing is dropped', async () => {
      strike(/drop table public\.gone/, 'after', () =>
        sql(`select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and state = 'idle' and application_name <> 'knex-undrop: drop'`),
      );
      await refusalOf(migration().up(knex), 'no-connection');
      expect(await sql('select id from gone')).to.deep.equal([{ id: 1 }]);
      await untilOneIsIdle();
    });

    it('with the settings of the first connection, however they are configured', async () => {
      const { host, user, database: name } = server.config(database.name);
      const password = `secret ${Math.random()}`;
      let asked = 0;
      const given: Knex.PgConnectionConfig = { host, user, database: name, port: proxy.port };
      const connection = async () => ({ ...given, password: () => `${password}${++asked}` });
      let created = 0;
      const pool = {
        min: 1,
        max: 1,
        afterCreate: (client: pg.Client, done: (error?: Error) => void) => {
          created++;
          client.query('set search_path = pg_catalog', (error) => done(error));
        },
      };
      const other = over({ connection, pool, searchPath: ['public'] });
      try {
        await migration({ tables: ['public.gone'] }).up(other);
        expect(created).to.equal(2);
        await migration({ tables: ['public.gone'] }).down(other);
      } finally {
        await other.destroy();
      }
    });

    it('and refused if that connection cannot be opened', async () => {
      await sql(`
        create schema undrop authorization ${rolePrefix}_owner;
        alter table gone owner to ${rolePrefix}_owner;
        alter function about(gone) owner to ${rolePrefix}_owner;
        grant all on schema public to ${rolePrefix}_owner;
        grant references on kept to ${rolePrefix}_owner;
        alter role ${rolePrefix}_owner connection limit 1`);
      const owner = over({ connection: through(`${rolePrefix}_owner`) });
      try {
        const error = await refusalOf(migration().up(owner), 'no-connection');
        expect(error.message).to.equal(`A second connection to ${database.name} could not be opened.`);
        expect(error.reason).to.include('too many connections for role');
        expect(await sql(`select from pg_class where relnamespace = 'undrop'::regnamespace`)).to.have.length(
          0,
        );
        expect(await sql('select id from gone')).to.deep.equal([{ id: 1 }]);
        await sql(`alter role ${rolePrefix}_owner connection limit 2`);
        await migration().up(owner);
        // With nothing left to drop, no second connection is opened.
        await sql(`alter role ${rolePrefix}_owner connection limit 1`);
        await migration().up(owner);
      } finally {
        await owner.destroy();
        await sql(
          `drop owned by ${rolePrefix}_owner cascade; alter role ${rolePrefix}_owner connection limit -1`,
        );
      }
    });
  });

  it('is refused if it may add rows to a table that cannot be locked', async () => {
    await sql(`
      create table parent (id int) partition by list (id);
      create table part partition of parent for values in (1);
      create schema undrop authorization ${rolePrefix}_owner;
      grant all on schema public to ${rolePrefix}_owner;
      grant ${rolePrefix}_reader to ${rolePrefix}_owner;
      alter table parent owner to ${rolePrefix}_owner;
      alter table part owner to ${rolePrefix}_reader;
      grant select on part to ${rolePrefix}_owner`);
    const owner = over({ connection: through(`${rolePrefix}_owner`) });
    try {
      const error = await refusalOf(migration({ tables: ['parent'] }).up(owner), 'insufficient-privilege');
      expect(error.subject).to.equal('public.part');
    } finally {
      await owner.destroy();
      await sql(
        `drop owned by ${rolePrefix}_owner, ${rolePrefix}_reader cascade; revoke ${rolePrefix}_reader from ${rolePrefix}_owner`,
      );
    }
  });
});
