import { expect } from 'chai';
import { ensureArchive } from '../src/archive/schema.ts';
import { reversibleDrop } from '../src/index.ts';
import { inSession } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { freshDatabase } from './support/fresh-database.ts';
import { type Runner, refusalOf, runner, said } from './support/migrate.ts';
import { type TestDatabase, type TestServer, testServer } from './support/server.ts';
import { skip } from './support/skip.ts';

describe('the cause of an error', function () {
  this.timeout(60_000);
  let server: TestServer;
  let database: TestDatabase;
  let run: Runner;

  before(async () => {
    server = await testServer();
  });

  beforeEach(async () => {
    ({ database, run } = await freshDatabase(server, 'create table t (id int)'));
  });

  afterEach(async () => {
    await run.end();
    await server.dropDatabase(database.name);
  });

  const drop = (more = {}) => reversibleDrop({ name: 'm', tables: ['t'], ...more });
  /** Uses a session that starts with the settings of the database. */
  async function inNewSession<T>(work: (later: Runner) => Promise<T>): Promise<T> {
    const later = runner(database.url);
    return work(later).finally(() => later.end());
  }
  const sql = (text: string) => server.sql(database.name, text);

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
    await sql(`
      insert into t values (1);
      do $$ begin
        execute (select 'alter table t ' || string_agg(format('add c%s text default %L', i, 'twelve bytes'), ', ')
          from generate_series(1, 1000) as i);
      end $$`);
    const { subject, message } = await refusalOf(run.up(drop({ rows: 'copy' })), 'not-reproducible');
    expect(subject).to.equal('public.t');
    expect(message).to.match(/too large/);
  });

  it('is the type whose privileges are missing', async () => {
    await sql(`
      create role causes_owner login;
      grant create on database ${database.name} to causes_owner;
      grant create on schema public to causes_owner;
      create type closed as enum ('a');
      alter table t add kind closed;
      insert into t values (1, 'a');
      alter table t owner to causes_owner;
      revoke usage on type closed from public`);
    const owner = runner(database.url.replace('postgres@', 'causes_owner@'));
    try {
      const { reason, next } = await refusalOf(owner.up(drop({ rows: 'copy' })), 'insufficient-privilege');
      expect(reason).to.match(/closed/);
      expect(next).to.match(/USAGE on the types/);
    } finally {
      await owner.end();
      await sql('drop owned by causes_owner; drop role causes_owner');
    }
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
});
