import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type pg from 'pg';
import { reversibleDrop } from '../src/index.ts';
import { testNative } from './support/binaries.ts';
import { refusalOf, runner, said } from './support/migrate.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { startServer } from './support/server.ts';
import { blocks, until, untilBlocking } from './support/until.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('locks on a database in use', () => {
  const server = useServer();
  const { database, run, another } = useDatabase(
    server,
    `
      create table kept (id int primary key);
      insert into kept values (1);
      create table gone (id serial primary key, kept_id int references kept);`,
  );

  /** Repeats the query; the returned function stops it and returns the longest time in milliseconds and the errors. */
  function watch(client: pg.Client, query: string): () => Promise<{ longest: number; errors: string[] }> {
    let going = true;
    let longest = 0;
    const errors: string[] = [];
    const loop = (async () => {
      while (going) {
        const start = performance.now();
        await client.query(query).catch((error) => errors.push(String(error)));
        longest = Math.max(longest, performance.now() - start);
        await sleep(5);
      }
    })();
    return async () => {
      going = false;
      await loop;
      return { longest, errors };
    };
  }

  const migration = (more = {}) => reversibleDrop({ name: 'm', tables: ['gone'], ...more });

  it('reports long transactions that hold locks, before the first attempt', async () => {
    const client = await another();
    await client.query(`set application_name = 'report'; begin; select * from kept`);
    const prepared = await another();
    await prepared.query(`begin; select * from kept; prepare transaction 'left over'`);
    try {
      const young = `select from pg_stat_activity where application_name = 'report' and now() - xact_start < '5.1 s'`;
      await until(async () => (await run.rows(young)).length === 0);
      const text = await said(async () => {
        const refusal = await refusalOf(run.up(migration({ lockTries: 1 })), 'lock-timeout');
        expect(refusal.reason).to.match(
          /^(public\.)?kept: prepared transaction 'left over' \(postgres\) holds AccessShareLock, in a transaction of \d+ s$/m,
        );
        expect(refusal.next).to.match(/rollback prepared 'left over'$/);
      });
      expect(text).to.match(
        /^m: may be blocked by pid \d+ \(postgres, report\), \d+ s old, which holds AccessShareLock on (public\.)?kept$/m,
      );
      expect(text).to.match(
        /^m: may be blocked by prepared transaction 'left over' \(postgres\), \d+ s old, which holds AccessShareLock on/m,
      );
    } finally {
      await prepared.query(`rollback prepared 'left over'`);
    }
  });

  it('names autovacuum as the holder of a lock', async () => {
    const vacuumed = await startServer({
      native: testNative(),
      settings: { autovacuum: 'on', autovacuum_naptime: '1' },
    });
    const { url, name } = await vacuumed.createDatabase();
    const runThere = runner(url);
    try {
      await vacuumed.sql(
        name,
        `create table gone (id int) with (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
        insert into gone select generate_series(1, 20000); delete from gone`,
      );
      const held = `select from pg_locks as l join pg_stat_activity as a using (pid)
        where a.backend_type = 'autovacuum worker' and l.relation = 'gone'::regclass`;
      await until(async () => (await vacuumed.sql(name, held)).length > 0);
      const { reason } = await refusalOf(runThere.up(migration({ lockTries: 1 })), 'lock-timeout');
      expect(reason).to.match(/^(public\.)?gone: autovacuum, pid \d+ holds ShareUpdateExclusiveLock/m);
    } finally {
      await runThere.end();
      await vacuumed.stop();
    }
  });

  it('blocks other sessions for at most one attempt while it waits', async () => {
    const blocker = await another();
    await blocker.query('begin; select * from kept');
    const stop = watch(await another(), 'select * from kept');
    const start = performance.now();
    await refusalOf(run.up(migration({ lockTimeout: '800ms', lockTries: 4 })), 'lock-timeout');
    const all = performance.now() - start;
    const { longest, errors } = await stop();
    expect(errors).to.deep.equal([]);
    // The four attempts take most of the time.
    expect(longest).to.be.within(250, all / 2);
  });

  it('waits long for a lock only while it holds no other, so that no application is ended by a deadlock', async () => {
    const app = await another();
    // The application would notice a deadlock first, but long after an attempt of up has ended on a slow machine.
    await run.knex.raw(`alter database ${database.name} set deadlock_timeout = '30s'`);
    await app.query(`set deadlock_timeout = '3s'`);
    const patient = runner(database.url);
    let going = true;
    const victims: string[] = [];
    const loop = (async () => {
      while (going) {
        try {
          await app.query('begin; select * from gone');
          await until(async () => !going || (await blocks(app)) !== undefined);
          await app.query('insert into kept select max(id) + 1 from kept; select pg_sleep(1); commit');
        } catch (error) {
          victims.push(String(error));
          await app.query('rollback');
        }
      }
    })();
    // With three attempts, the long wait applies from the second one on.
    await Promise.allSettled([patient.up(migration({ lockTimeout: '8s', lockTries: 3 }))]);
    going = false;
    await loop;
    await patient.end();
    expect(victims.filter((text) => !text.includes('does not exist'))).to.deep.equal([]);
  });

  it('releases a lock that it waited for if a session that waits behind it holds another', async () => {
    const blocker = await another();
    await blocker.query('begin; select * from kept');
    const up = run.up(migration({ lockTimeout: '5s', lockTries: 3 }));
    // The second attempt waits for kept alone.
    const waits = `select from pg_locks as w
      where not w.granted and w.relation = 'kept'::regclass and not exists (
        select from pg_locks as h
        where h.pid = w.pid and h.granted and h.relation = 'gone'::regclass and h.mode = 'AccessExclusiveLock')`;
    await until(async () => (await run.rows(waits)).length > 0);
    const app = await another();
    await app.query(`set deadlock_timeout = '30s'; begin; select * from gone`);
    const insert = app.query('insert into kept values (2)').then(() => app.query('commit'));
    const behind = `select from pg_locks where not granted and relation = 'kept'::regclass and mode = 'RowExclusiveLock'`;
    await until(async () => (await run.rows(behind)).length > 0);
    await blocker.query('commit');
    await Promise.all([insert, up]);
  });

  it('ends no application that has waited long for it, and acquires all locks in the end', async () => {
    await run.knex.raw('insert into gone select i, 1 from generate_series(1, 300000) as i');
    const observer = await another();
    const locked = async (mode: string, table: string) => {
      const sql = 'select from pg_locks where granted and mode = $1 and relation = to_regclass($2)';
      return (await observer.query(sql, [mode, table])).rowCount === 1;
    };
    // One of them checks for deadlocks while the locks on survivors are waited for.
    const apps = await Promise.all(Array.from({ length: 16 }, another));
    for (const [index, app] of apps.entries()) {
      await app.query(`set deadlock_timeout = ${250 * (index + 1)}; begin; select * from kept`);
    }
    const up = run.up(migration({ rows: 'copy' }));
    await until(() => locked('AccessExclusiveLock', 'gone'));
    expect(await locked('ShareUpdateExclusiveLock', 'kept')).to.equal(true);
    await observer.query('update kept set id = 2 where id = 3; insert into kept values (2)');
    const waited = apps.map((app) => app.query('select from gone limit 1').then(() => app.query('commit')));
    await Promise.all(waited);
    await up;
  });

  it('repeats its attempts for a table that only DROP may lock', async () => {
    await run.knex.raw(`
      create role ${rolePrefix}_owner login;
      create schema o authorization ${rolePrefix}_owner;
      create schema undrop authorization ${rolePrefix}_owner;
      grant references, select on kept to ${rolePrefix}_owner;
      alter table gone set schema o;
      alter table o.gone owner to ${rolePrefix}_owner;`);
    const owner = runner(server.url(database.name, `${rolePrefix}_owner`));
    try {
      const blocker = await another();
      await blocker.query('begin; select * from kept');
      const own = reversibleDrop({ name: 'm', tables: ['o.gone'], lockTries: 20 });
      const up = owner.up(own);
      await untilBlocking(blocker, await untilBlocking(blocker));
      await blocker.query('commit');
      await up;
      await blocker.query('begin; update kept set id = id');
      const down = owner.down(own);
      await untilBlocking(blocker, await untilBlocking(blocker));
      await blocker.query('commit');
      await down;
    } finally {
      await owner.end();
      await run.knex.raw(`drop owned by ${rolePrefix}_owner cascade; drop role ${rolePrefix}_owner`);
    }
  });

  it('copies and rehearses rows once, while others use the referenced tables', async () => {
    await run.knex.raw(`
      create sequence free; create sequence locked;
      create function probe() returns bool language plpgsql as $$ begin
        perform nextval(case when exists (
          select from pg_locks where relation = 'public.kept'::regclass and mode = 'AccessExclusiveLock' and granted)
          then 'public.locked' else 'public.free' end::regclass);
        return true;
      end $$;
      alter table gone add check (probe());
      insert into gone (kept_id) select 1 from generate_series(1, 10);
      alter sequence free restart;`);
    const user = await another();
    await user.query('begin; insert into kept values (2)');
    const up = run.up(reversibleDrop({ name: 'm', tables: ['gone'], rows: 'copy', lockTries: 20 }));
    await untilBlocking(user, await untilBlocking(user));
    await user.query('commit');
    await up;
    const calls = await run.rows(
      'select f.last_value::int as free, l.is_called as locked from free f, locked l',
    );
    expect(calls).to.deep.equal([{ free: 10, locked: false }]);
  });

  it('allows reads of referenced tables during a restore', async () => {
    await run.up(migration());
    const reader = await another();
    await reader.query('begin; select * from kept');
    await run.down(migration({ lockTries: 1 }));
    await reader.query('commit');
  });

  it('does not wait long for a lock in a transaction that already holds some', async () => {
    await run.knex.raw('create table second (id int); create table first (id int)');
    const blocker = await another();
    await blocker.query('begin; select * from second');
    const start = performance.now();
    await refusalOf(
      run.knex.transaction(async (transaction) => {
        await reversibleDrop({ name: '1', tables: ['first'] }).up(transaction);
        await reversibleDrop({ name: '2', tables: ['second'], lockTimeout: '120s', lockTries: 3 }).up(
          transaction,
        );
      }),
      'lock-timeout',
    );
    expect(performance.now() - start).to.be.below(120_000);
    await blocker.query('commit');
  });
});
