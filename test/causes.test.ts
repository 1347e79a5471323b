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
