import { expect } from 'chai';
import { ensureArchive } from '../src/archive/schema.ts';
import { reversibleDrop } from '../src/index.ts';
import { inSession } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { type Runner, refusalOf, runner, said } from './support/migrate.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { skip } from './support/skip.ts';
import { untilBlocking } from './support/until.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('the cause of an error', () => {
  const server = useServer();

  const { database, run, sql } = useDatabase(server, 'create table t (id int)');

  const drop = (more = {}) => reversibleDrop({ name: 'm', tables: ['t'], ...more });
  /** Uses a session that starts with the settings of the database. */
  async function inNewSession<T>(work: (later: Runner) => Promise<T>): Promise<T> {
    const later = runner(database.url);
    return work(later).finally(() => later.end());
  }

  for (const rows of ['copy', 'refuse'] as const) {
    it(`is the index whose function finds no names without the search path, rows: '${rows}'`, async () => {
      await sql(`
        create schema words;
        create function words.helper(int) returns int language sql immutable as 'select $1';
        set search_path = words, public;
        create function norm(int) returns int language sql immutable as 'select $1';
        insert into t values (1);
        create index t_norm on t (norm(id));
        create or replace function norm(int) returns int language sql immutable as 'select helper($1)'`);
      const { subject, reason } = await refusalOf(run.up(drop({ rows })), 'not-reproducible');
      expect(subject).to.equal('public.t_norm');
      expect(reason)
        .to.match(/helper/)
        .and.to.match(/norm/);
    });
  }

  it('is the table with a row that is too large for the archive', async () => {
    // Values of 24 bytes and less are not moved to a TOAST table.
    await sql(`
      insert into t values (1);
      do $$ begin
        execute (select 'alter table t ' || string_agg(format('add c%s text default %L', i, repeat('x', 22)), ', ')
          from generate_series(1, 400) as i);
      end $$`);
    const { subject, message } = await refusalOf(run.up(drop({ rows: 'copy' })), 'not-reproducible');
    expect(subject).to.equal('public.t');
    expect(message).to.match(/too large/);
  });

  it('is the type whose privileges are missing', async () => {
    await sql(`
      create role ${rolePrefix}_owner login;
      grant create on database ${database.name} to ${rolePrefix}_owner;
      grant create on schema public to ${rolePrefix}_owner;
      create type closed as enum ('a');
      alter table t add kind closed;
      insert into t values (1, 'a');
      alter table t owner to ${rolePrefix}_owner;
      revoke usage on type closed from public`);
    const owner = runner(database.url.replace('postgres@', `${rolePrefix}_owner@`));
    try {
      const { reason, next } = await refusalOf(owner.up(drop({ rows: 'copy' })), 'insufficient-privilege');
      expect(reason).to.match(/closed/);
      expect(next).to.match(/USAGE on the types/);
    } finally {
      await owner.end();
      await sql(`drop owned by ${rolePrefix}_owner; drop role ${rolePrefix}_owner`);
    }
  });

  it('is the limit of temporary files, with the object that is being recreated', async () => {
    await sql(`
      insert into t select generate_series(1, 100000);
      create index t_id on t (id);
      do $$ begin
        execute format('alter database %I set temp_file_limit = 64', current_database());
        execute format('alter database %I set maintenance_work_mem = 1024', current_database());
      end $$`);
    const { subject, next } = await inNewSession((later) =>
      refusalOf(later.up(drop({ rows: 'copy' })), 'server-error'),
    );
    expect(subject).to.match(/public\.t_id/);
    expect(next)
      .to.match(/temp_file_limit/)
      .and.not.to.match(/remove the table/);
  });

  it('is transaction_timeout', async function () {
    if (server.major < 17) skip(this, 'needs PostgreSQL 17');
    await sql(`insert into t values (1);
      create function doze(int) returns int language plpgsql immutable as
        'begin perform pg_catalog.pg_sleep(60); return 1; end';
      create index on t (doze(id));
      do $$ begin
        execute format('alter database %I set transaction_timeout = ''3s''', current_database());
      end $$`);
    // Knex throws the error of its ROLLBACK instead.
    const line = await said(() =>
      inNewSession((later) => later.up(drop({ rows: 'copy' })).catch((error: unknown) => error)),
    );
    expect(line).to.match(/ended the session because of its time limit transaction_timeout.*alter role/);
  });

  it('is an event trigger that fails in the drop', async () => {
    await inSession(run.knex, ensureArchive);
    await sql(`
      create function forbid() returns event_trigger language plpgsql as $$ begin perform nowhere(); end $$;
      create event trigger "not today" on sql_drop execute function forbid()`);
    const { reason, subject } = await refusalOf(run.up(drop()), 'server-error');
    expect(subject).to.equal('t');
    expect(reason).to.match(/PL\/pgSQL function (public\.)?forbid\(\)/);
    expect(reason).to.match(/^Enabled event triggers: "not today" \(sql_drop, public\.forbid\)$/m);
  });

  it('is an event trigger that fails in the rehearsal', async () => {
    await inSession(run.knex, ensureArchive);
    await sql(`
      create function forbid() returns event_trigger language plpgsql as $$ begin raise 'not today'; end $$;
      create event trigger forbid on ddl_command_end when tag in ('CREATE TABLE') execute function forbid()`);
    const { reason } = await refusalOf(run.up(drop()), 'not-reproducible');
    expect(reason).to.match(/^Enabled event triggers: forbid \(ddl_command_end, public\.forbid\)$/m);
  });

  it('is an event trigger that changes recreated tables', async () => {
    await inSession(run.knex, ensureArchive);
    await sql(`
      create function meddle() returns event_trigger language plpgsql as
        $$ begin comment on table public.t is 'changed'; exception when undefined_table then null; end $$;
      create event trigger meddle on ddl_command_end when tag in ('ALTER TABLE') execute function meddle()`);
    const { next } = await refusalOf(run.up(drop()), 'rehearsal-differs');
    expect(next).to.match(/Enabled event triggers: meddle \(ddl_command_end, public\.meddle\)/);
  });

  it('is the session that creates the archive', async () => {
    const client = await server.client(database.name);
    await client.query(`begin; select pg_advisory_xact_lock(hashtext('undrop.archive'))`);
    const lines = await said(async () => {
      const up = run.up(drop());
      await untilBlocking(client);
      await client.query('commit');
      await up;
    });
    expect(lines).to.match(/^Waiting for the archive, which pid \d+ \(postgres\) uses\.$/m);
    await client.query(`begin; select pg_advisory_xact_lock(hashtext('undrop.archive'))`);
    const work = inSession(run.knex, (session) => ensureArchive(session, 200));
    const { reason } = await quietly(() => refusalOf(work, 'lock-timeout'));
    expect(reason).to.match(/^pid \d+ \(postgres\)$/);
    await client.end();
  });
});
