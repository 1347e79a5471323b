import { expect } from 'chai';
import { reversibleDrop } from '../src/index.ts';
import { refusal } from './support/migrate.ts';
import { until } from './support/until.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('an interrupted statement', () => {
  const server = useServer();

  // `slow` sleeps as many seconds as `pace` holds. A generated column and an index call it for each row.
  const { run, sql } = useDatabase(
    server,
    `create table pace (what text primary key, seconds int);
      insert into pace values ('rows', 0), ('index', 0);
      create function slow(what text, id int) returns int immutable language plpgsql
        as 'begin perform pg_sleep(p.seconds) from public.pace as p where p.what = $1; return id; end';
      create table gone (id int generated always as identity, note text,
        same int generated always as (slow('rows', id)) stored);
      insert into gone (note) values ('kept');
      create index gone_slow on gone (slow('index', id));
      create index gone_note on gone (note);
      comment on table gone is 'kept with it';`,
  );

  const migration = reversibleDrop({ name: 'm', tables: ['gone'], rows: 'copy' });
  const slow = (what: string, seconds: number) =>
    sql(`update pace set seconds = ${seconds} where what = '${what}'`);

  /** Cancels or terminates the session while its statement sleeps, and returns the error. */
  async function whenSlow(work: Promise<unknown>, call: string) {
    const refused = refusal(work);
    const asleep = `from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`;
    await until(async () => (await sql(`select ${asleep}`)).length > 0);
    const done = await sql<{ done: boolean }>(`select ${call}(pid) as done ${asleep}`);
    expect(done).to.deep.equal([{ done: true }]);
    return refused;
  }

  const state = async () =>
    (
      await sql(`select to_regclass('public.gone') is not null as there,
        (select restored_at is not null from undrop.drops) as restored`)
    )[0];

  it('is not repeated while rows are restored, and the restore is rolled back', async () => {
    await run.up(migration);
    await slow('rows', 600);
    const error = await whenSlow(run.down(migration), 'pg_cancel_backend');
    expect(error).to.include({ code: 'server-error', subject: 'public.gone' });
    expect(error.message).to.include('The server cancelled a statement');
    expect(error.reason).to.match(/^rows public\.gone: /);
    expect(await state()).to.deep.equal({ there: false, restored: false });
    await slow('rows', 0);
    await run.down(migration);
    expect(await state()).to.deep.equal({ there: true, restored: true });
  });

  it('is not repeated in a batch, and all of its objects are named', async () => {
    await run.up(migration);
    await slow('index', 600);
    const error = await whenSlow(run.down(migration), 'pg_cancel_backend');
    expect(error.code).to.equal('server-error');
    expect(error.reason).to.match(/^one of \d+ statements: index public\.gone_note, index public\.gone_slow/);
    expect(await state()).to.deep.equal({ there: false, restored: false });
  });

  it('is not repeated after a timeout', async () => {
    await run.up(migration);
    await slow('rows', 600);
    const error = await refusal(
      run.knex.transaction(async (transaction) => {
        await transaction.raw(`set local statement_timeout = '3s'`);
        await migration.down(transaction);
      }),
    );
    expect(error).to.include({ code: 'server-error', subject: 'public.gone' });
    expect(await state()).to.deep.equal({ there: false, restored: false });
  });

  it('is not repeated in the rehearsal, and nothing is dropped', async () => {
    await slow('index', 600);
    const error = await whenSlow(run.up(migration), 'pg_cancel_backend');
    expect(error.code).to.equal('server-error');
    expect(await sql(`select to_regclass('undrop.drops') as archive, id from gone`)).to.deep.equal([
      { archive: null, id: 1 },
    ]);
  });

  it('is not repeated after its connection was lost', async () => {
    await run.up(migration);
    await slow('rows', 600);
    const error = await whenSlow(migration.down(run.knex), 'pg_terminate_backend');
    expect(error).to.include({ code: 'no-connection', subject: 'public.gone' });
    expect(await state()).to.deep.equal({ there: false, restored: false });
  });

  it('is found in a batch if the server rejects it', async () => {
    await run.up(migration);
    await sql(`drop function slow cascade; create function slow(what text, id int) returns int immutable
      language plpgsql as 'begin if what = ''index'' then raise ''no''; end if; return id; end'`);
    const error = await refusal(run.down(migration));
    expect(error).to.include({ code: 'restore-failed', subject: 'public.gone_slow' });
  });
});
