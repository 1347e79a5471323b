import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type Locked, lockClosure, readSurvivorLocks, takeLocks } from '../src/locks/lock-closure.ts';
import { LetGo } from '../src/locks/lock-retries.ts';
import { type ReadCommitted, withSecondConnection } from '../src/locks/second-connection.ts';
import { watchClosure } from '../src/locks/watch-closure.ts';
import type { Table } from '../src/options/table.ts';
import { inSession, type Session } from '../src/session/session.ts';
import { refusalOf, runner } from './support/migrate.ts';
import { oidsOf } from './support/oracle.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { skip } from './support/skip.ts';
import { until } from './support/until.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('the locked closure', () => {
  const server = useServer();
  const { database, run, sql, another } = useDatabase(
    server,
    `create table kept (id int primary key);
     create table gone (id serial primary key, kept_id int references kept);
     create table referring (gone_id int references gone);
     create view seen as select id from gone;
     create table parent (id int not null, kept_id int)`,
  );

  before(function () {
    if (server.embedded) skip(this, 'PGlite has no other sessions');
  });

  afterEach(() => server.sql('postgres', `drop role if exists ${rolePrefix}_owner`));

  const patience = { name: 'm', lockTimeoutMs: 500, lockTries: 3 };

  async function tables(session: Session, names: readonly string[]): Promise<Table[]> {
    const oids = await oidsOf(session, names);
    return names.map((name, index) => ({
      oid: oids[index] ?? 0,
      written: name,
      sql: `public.${name}`,
      schema: 'public',
      reason: undefined,
    }));
  }

  /** Locks the closure of `gone`. Before the committed state is read for the nth time, another session does `meanwhile`. */
  function lock<T>(
    work: (locked: Locked, session: Session) => Promise<T>,
    {
      meanwhile = async () => {},
      tries = 3,
      names = ['gone'],
    }: {
      meanwhile?: (nth: number) => Promise<unknown>;
      tries?: number;
      names?: string[];
    } = {},
  ): Promise<T> {
    return run.knex.transaction((transaction) =>
      inSession(transaction, (session) =>
        withSecondConnection(transaction, session, async (committed) => {
          let nth = 0;
          const reading: ReadCommitted = async (read) => {
            await meanwhile(++nth);
            if (committed === undefined) throw new Error('no second connection');
            return committed(read);
          };
          const found = await tables(session, names);
          const options = { ...patience, lockTries: tries };
          return lockClosure(session, found, options, (locked) => work(locked, session), reading);
        }),
      ),
    );
  }

  /** The strong locks on relations that another session holds, from the view of a third one. */
  const locks = async () =>
    (
      await server.sql<{ lock: string }>(
        database.name,
        `select l.relation::regclass || ' ' || l.mode as lock from pg_locks as l join pg_class as c on c.oid = l.relation
        where c.relnamespace = 'public'::regnamespace and l.granted
          and l.mode in ('AccessExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareRowExclusiveLock') order by 1`,
      )
    ).map((row) => row.lock);
  const own = ['gone AccessExclusiveLock', 'gone_id_seq AccessExclusiveLock', 'seen AccessExclusiveLock'];

  it('is locked exclusively, its survivors against changes first, and then exclusively too', async () => {
    const found = await lock(async (locked) => {
      const first = await locks();
      await locked.lockSurvivors();
      return {
        first,
        second: await locks(),
        survivors: locked.closure.survivors.map(({ identity }) => identity),
      };
    });
    expect(found.survivors).to.deep.equal(['public.kept', 'public.referring']);
    expect(found.first).to.deep.equal([
      ...own.slice(0, 2),
      'kept ShareUpdateExclusiveLock',
      'referring ShareUpdateExclusiveLock',
      ...own.slice(2),
    ]);
    expect(found.second).to.include.members([
      ...own,
      'kept AccessExclusiveLock',
      'referring AccessExclusiveLock',
    ]);
    expect(await locks()).to.deep.equal([]);
  });

  it('has survivors whose locks a restore acquires in the mode that it needs', async () => {
    await inSession(run.knex, async (session) => {
      const oids = await oidsOf(session, ['kept', 'referring']);
      const found = await readSurvivorLocks(
        session,
        oids.map((oid) => ({ oid })),
        'share row exclusive',
      );
      expect(found).to.deep.equal(
        ['kept', 'referring'].map((name, index) => ({
          oid: oids[index],
          sql: `lock table only public.${name} in share row exclusive mode`,
        })),
      );
    });
  });

  it('is read again where another session changes it while it is locked', async () => {
    for (const [what, change] of [
      ['another member', 'create view late as select id from gone'],
      ['another survivor', 'alter table gone inherit parent'],
      ['a comment', `comment on index gone_pkey is 'x'`],
    ] as const) {
      // After the closure was looked up; the comment after its state was read as well.
      const at = what === 'a comment' ? 2 : 1;
      let calls = 0;
      let reads = 0;
      const names = await lock(
        async ({ closure }) => {
          calls++;
          return [...closure.members, ...closure.survivors].map(({ identity }) => identity);
        },
        {
          meanwhile: async (nth) => {
            reads = nth;
            if (nth === at) await sql(change);
          },
        },
      );
      expect(calls, what).to.equal(1);
      expect(reads, what).to.equal(4);
      if (what === 'another member') expect(names).to.include('public.late');
      if (what === 'another survivor') expect(names).to.include('public.parent');
    }
  });

  it('is not worked on without its locks, nor without those of survivors', async () => {
    const reader = await another('begin; lock table gone in access share mode');
    let calls = 0;
    const work = async (locked: Locked) => {
      calls++;
      await locked.lockSurvivors(true);
    };
    expect((await refusalOf(lock(work, { tries: 1 }), 'lock-timeout')).subject).to.equal('public.gone');
    expect(calls).to.equal(0);
    await reader.query('commit; begin; lock table kept in access share mode');
    expect((await refusalOf(lock(work, { tries: 1 }), 'lock-timeout')).subject).to.equal('public.kept');
    expect(calls).to.equal(1);
  });

  it('is given up with the objects that were changed', async () => {
    for (const [change, subject] of [
      [
        'create view late as select id from gone',
        'rule "_RETURN" on public.late, type public.late, type public.late[], view public.late',
      ],
      ['alter table gone inherit parent', 'table public.parent'],
    ] as const) {
      const given = lock(async () => expect.fail('it was locked'), {
        meanwhile: async (nth) => nth === 1 && sql(change),
        tries: 1,
      });
      const error = await refusalOf(given, 'drop-differs');
      expect(error.subject.split(', ').sort().join(', ')).to.equal(subject);
    }
  });

  it('is not locked under names that the tables no longer have', async () => {
    const renamed = (names: readonly string[]) =>
      inSession(run.knex, async (session) => {
        const found = await tables(session, ['gone', 'referring']);
        const other = found.map((table) =>
          names.includes(table.written) ? { ...table, sql: 'public.parent' } : table,
        );
        await lockClosure(session, other, patience, async () => expect.fail('it was locked'));
      });
    expect(await refusalOf(renamed(['gone']), 'missing-table')).to.include({
      subject: 'public.parent',
      message: 'public.parent no longer exists.',
      reason: 'Another session has dropped or renamed them since they were looked up.',
      next: 'Nothing was changed. Correct the names, or run it again.',
    });
    expect(await refusalOf(renamed(['gone', 'referring']), 'missing-table')).to.include({
      subject: 'public.parent, public.parent',
      message: 'public.parent, public.parent no longer exist.',
    });
  });

  it('is refused where it has tables that the role may not lock, but not other objects', async () => {
    await run.knex.raw(`
      create role ${rolePrefix}_owner login;
      create table child () inherits (parent);
      create table second () inherits (parent);
      create view of_others as select id from parent;
      alter table parent owner to ${rolePrefix}_owner`);
    const owner = runner(server.url(database.name, `${rolePrefix}_owner`));
    const attempt = () =>
      inSession(owner.knex, async (session) =>
        lockClosure(session, await tables(session, ['parent']), patience, async () => 'locked'),
      );
    try {
      expect(await refusalOf(attempt(), 'insufficient-privilege')).to.include({
        subject: 'public.child, public.second',
        message: `The role ${rolePrefix}_owner may not lock public.child, public.second.`,
        reason:
          'The drop removes them too, and rows that other sessions write in the meantime would be lost.',
        next: `Run the migration as the owner, or let the owner run: grant update, delete, truncate on public.child to ${rolePrefix}_owner`,
      });
      await run.knex.raw(`grant update, delete, truncate on child, second to ${rolePrefix}_owner`);
      expect(await attempt()).to.equal('locked');
    } finally {
      await owner.end();
      await run.knex.raw(`drop table parent cascade`);
      await run.knex.raw(`drop owned by ${rolePrefix}_owner`);
    }
  });

  describe('during the work', () => {
    const change = `comment on index gone_pkey is 'x'`;
    const failure = Object.assign(new Error('42P01'), { code: '42P01' });

    it('is not watched by locks alone: a change makes the check fail, and the work is repeated', async () => {
      let calls = 0;
      await lock(async (locked) => {
        await locked.check();
        if (++calls > 1) return;
        await sql(change);
        await locked.check();
        expect.fail('the change was not noticed');
      });
      expect(calls).to.equal(2);
    });

    it('is the same object until it is changed', async () => {
      await lock(async (locked) => {
        expect(await locked.renew()).to.equal(locked.closure);
        await sql(change);
        const renewed = await locked.renew();
        expect(renewed).to.not.equal(locked.closure);
        expect(renewed).to.deep.equal(locked.closure);
        expect(await locked.renew()).to.equal(renewed);
        await locked.check();
      });
    });

    it('is checked once more after the drop, for what depends on its types and functions', async () => {
      let calls = 0;
      await lock(async (locked) => {
        await locked.checkDropped();
        if (++calls > 1) return;
        // A function that takes rows of the table needs no lock on it.
        await sql('create function late(gone) returns int language sql as $$ select 1 $$');
        await locked.checkDropped();
        expect.fail('the function was not noticed');
      });
      expect(calls).to.equal(2);
    });

    it('explains an error that a change may have caused, and no other', async () => {
      for (const [changes, error, expected] of [
        [true, failure, 2],
        [true, new Error('wrapped', { cause: failure }), 1],
        [false, failure, 1],
        [true, new Error('of this program'), 1],
      ] as const) {
        let calls = 0;
        const work = lock(async () => {
          if (++calls > 1) return;
          if (changes) await sql(`${change.slice(0, -1)}${Math.random()}'`);
          throw error;
        });
        const thrown = await work.then(
          () => undefined,
          (one) => one,
        );
        expect(calls).to.equal(expected);
        if (expected === 1) expect(thrown).to.be.an('error');
        else expect(thrown).to.equal(undefined);
      }
    });

    it('keeps the error of the work where the check fails as well', async () => {
      let fails = false;
      const work = lock(
        async () => {
          fails = true;
          throw failure;
        },
        {
          meanwhile: async () => {
            if (fails) throw new Error('the check failed');
          },
        },
      );
      const thrown = await work.then(
        () => undefined,
        (one) => one,
      );
      expect(String(thrown)).to.contain('42P01');
    });

    for (const isLate of [false, true]) {
      it(`lets go where a session waits for it and holds a survivor${isLate ? ', however late' : ''}`, async () => {
        const app = await another('begin; lock table kept in access share mode');
        let calls = 0;
        await lock(async (locked) => {
          if (++calls > 1) return locked.lockSurvivors(isLate);
          const waiting = app.query('select from gone').then(() => app.query('commit'));
          const waits = `select from pg_locks where not granted and relation = 'gone'::regclass`;
          await until(async () => (await sql(waits)).length > 0, waiting);
          const error = await locked.lockSurvivors(isLate).then(
            () => expect.fail('it was locked'),
            (one) => one,
          );
          expect(error).to.be.instanceOf(LetGo);
          throw error;
        });
        expect(calls).to.equal(2);
      });
    }

    it('is captured again where a survivor is in use', async () => {
      const user = await another('begin; lock table kept in access share mode');
      let calls = 0;
      await lock(async (locked) => {
        calls++;
        await locked.lockSurvivors().catch(async (error) => {
          await user.query('commit');
          throw error;
        });
      });
      expect(calls).to.equal(2);
    });

    it('is not captured again where a survivor is in use and it is late', async () => {
      const user = await another('begin; lock table kept in access share mode');
      let calls = 0;
      await lock(
        async (locked, session) => {
          calls++;
          const acquired = locked.lockSurvivors(true);
          const end = sleep(400).then(() => user.query('commit'));
          await acquired;
          await end;
          expect(
            await session.read(`select from pg_catalog.pg_locks as l where l.granted and
            l.pid = pg_catalog.pg_backend_pid() and l.mode = 'AccessExclusiveLock'
            and l.relation = 'public.kept'::pg_catalog.regclass`),
          ).to.have.length(1);
        },
        { tries: 30 },
      );
      expect(calls).to.equal(1);
    });
  });

  it('is not watched where there are no other sessions', async () => {
    const reach = { members: [], survivors: [] };
    const closure = { members: [], survivors: [], links: [] } as unknown as Locked['closure'];
    const none = { own: new Map(), needing: new Map() };
    const watch = await watchClosure(reach, none, undefined, async () => closure);
    await watch.check();
    await watch.checkDropped();
    expect(await watch.renew()).to.equal(closure);
  });

  describe('when its locks are not free', () => {
    const locksOf = (names: readonly string[]) =>
      names.map((name, index) => ({
        oid: index,
        sql: `lock table only public.${name} in access exclusive mode`,
      }));
    const timeout = async (session: Session) =>
      (await session.read<{ ms: string }>(`select pg_catalog.current_setting('lock_timeout') as ms`))[0]?.ms;

    it('is locked in order, and all within one time', async () => {
      const blockers = [await another('begin; lock table kept'), await another('begin; lock table gone')];
      await inSession(run.knex, async (session) => {
        const asked: number[] = [];
        const watched: Session = {
          ...session,
          run: async (text, values) => {
            const [, ms] = /lock_timeout = (\d+)/.exec(text) ?? [];
            asked.push(Number(ms));
            const [blocker] = text.includes('public.kept') ? blockers : blockers.slice(1);
            const acquired = session.run(text, values);
            if (text.includes('lock table')) await sleep(60).then(() => blocker?.query('commit'));
            return acquired;
          },
        };
        await takeLocks(watched, locksOf(['kept', 'gone']), 60_000);
        expect(await locks()).to.deep.equal(['gone AccessExclusiveLock', 'kept AccessExclusiveLock']);
        expect(asked).to.have.length(3);
        const [first = 0, second = 0, last] = asked;
        expect(first).to.be.within(30_000, 60_000);
        expect(second).to.be.within(30_000, first - 50);
        expect(last).to.equal(60_000);
        expect(await timeout(session)).to.equal('1min');
      });
    });

    it('fails where the time is over, and keeps the timeout where all are free', async () => {
      await another('begin; lock table kept');
      await inSession(run.knex, async (session) => {
        const code = async (names: readonly string[], ms: number) =>
          session
            .attempt(() => takeLocks(session, locksOf(names), ms))
            .then(
              () => 'locked',
              (error) => error.code,
            );
        expect(await code(['gone', 'kept'], 20)).to.equal('55P03');
        expect(await code(['gone'], 70_000)).to.equal('locked');
        expect(await timeout(session)).to.equal('70s');
        expect(await code(['absent'], 100)).to.equal('42P01');
      });
    });
  });
});
