import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { Changed, LetGo, type Patience, withLockTries, withMoreLocks } from '../src/locks/lock-retries.ts';
import { inSession, type Session } from '../src/session/session.ts';
import { refusalOf, said } from './support/migrate.ts';
import { oidsOf } from './support/oracle.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { skip } from './support/skip.ts';
import { until } from './support/until.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('attempts to lock', () => {
  const server = useServer();
  const { run, another } = useDatabase(server, 'create table kept (id int); create table gone (id int)', {
    shared: true,
  });

  before(function () {
    if (server.embedded) skip(this, 'PGlite has no other sessions');
  });

  const owner = `${rolePrefix}_new_owner`;
  afterEach(() => run.knex.raw(`drop view if exists seen; drop role if exists ${owner}`));

  const patience = (lockTries: number, lockTimeoutMs = 2000): Patience => ({
    name: 'm',
    lockTimeoutMs,
    lockTries,
  });
  const lockOf = (oid: number, name: string) => ({
    oid,
    sql: `lock table only public.${name} in access exclusive mode`,
  });
  /** An error as the driver throws it. */
  const failure = (code: string, cause?: unknown) => Object.assign(new Error(code, { cause }), { code });

  /** Works with these locks on the tables, and returns the attempts. */
  async function attempts(
    session: Session,
    tries: Patience,
    errors: readonly Error[],
    during: (number: number) => Promise<void> = async () => undefined,
  ) {
    const [gone = 0, kept = 0] = await oidsOf(session, ['gone', 'kept']);
    const seen: { number: number; ms: number }[] = [];
    const asked = () => [lockOf(kept, 'kept'), lockOf(gone, 'gone')];
    const result = await withLockTries(session, tries, asked, async (attempt) => {
      seen.push(attempt);
      await during(attempt.number);
      const error = errors[attempt.number - 1];
      if (error !== undefined) throw error;
      return 'done';
    });
    expect(result).to.equal('done');
    return seen;
  }

  const held = (session: Session, name: string) =>
    session
      .read(`select from pg_catalog.pg_locks as l where l.pid = pg_catalog.pg_backend_pid() and l.granted
        and l.mode = 'AccessExclusiveLock' and l.relation = 'public.${name}'::pg_catalog.regclass`)
      .then((rows) => rows.length > 0);
  const waits = async (name: string) =>
    (await run.rows(`select from pg_locks where not granted and relation = '${name}'::regclass`)).length > 0;

  it('are repeated after contention only, and are short', async () => {
    await inSession(run.knex, async (session) => {
      const contention = [
        failure('55P03'),
        failure('40P01'),
        new Error('', { cause: failure('55P03') }),
        new LetGo(),
        new Changed([]),
      ];
      expect(await attempts(session, patience(6), contention)).to.deep.equal(
        [1, 2, 3, 4, 5, 6].map((number) => ({ number, ms: 300 })),
      );
      const thrownText = 'not an error' as unknown as Error;
      for (const error of [failure('57014'), failure('40001'), new Error('no state'), thrownText]) {
        await attempts(session, patience(2), [error]).then(
          () => expect.fail('the work was repeated'),
          (thrown) => expect(thrown).to.equal(error),
        );
      }
    });
    await inSession(run.knex, async (session) => {
      expect(await attempts(session, patience(1, 100), [])).to.deep.equal([{ number: 1, ms: 100 }]);
      await session.run(`set local deadlock_timeout = '200ms'`);
      expect(await attempts(session, patience(1), [])).to.deep.equal([{ number: 1, ms: 120 }]);
    });
  });

  it('undo what they did before they are repeated', async () => {
    await inSession(run.knex, async (session) => {
      await attempts(session, patience(2), [new LetGo()], async (number) => {
        await session.run(`create table public.attempt (id int)`);
        expect(number).to.be.within(1, 2);
      });
      await session.run('drop table public.attempt');
    });
  });

  it('end with the sessions that hold the locks', async () => {
    const other = await another('begin; lock table kept in share mode');
    const [pid] = (await other.query('select pg_backend_pid() as pid')).rows;
    await inSession(run.knex, async (session) => {
      const error = await refusalOf(attempts(session, patience(1), [failure('55P03')]), 'lock-timeout');
      expect(error).to.include({
        subject: 'public.kept',
        message: 'The locks that m needs could not be acquired after 1 attempt.',
        next: 'Run it again when these sessions have ended, or end them with pg_terminate_backend(pid).',
      });
      expect(error.reason.replace(/\d+(\.\d)? s$/, '')).to.equal(
        `public.kept: pid ${pid.pid} (postgres) holds ShareLock, in a transaction of `,
      );
    });
  });

  it('end with each session that holds one of them', async () => {
    await another('begin; lock table kept in share mode');
    await another('begin; lock table gone in share mode');
    await inSession(run.knex, async (session) => {
      const error = await refusalOf(attempts(session, patience(1), [failure('55P03')]), 'lock-timeout');
      expect(error.subject.split(', ').sort()).to.deep.equal(['public.gone', 'public.kept']);
      expect(error.reason.split('\n')).to.have.length(2);
    });
  });

  it('end with no session where the locks were released since', async () => {
    await inSession(run.knex, async (session) => {
      const errors = [failure('55P03'), failure('55P03')];
      expect(await refusalOf(attempts(session, patience(2), errors), 'lock-timeout')).to.include({
        subject: 'm',
        message: 'The locks that m needs could not be acquired after 2 attempts.',
        reason: 'The sessions that held them have released them since.',
      });
    });
  });

  it('end with the objects that other sessions changed', async () => {
    await inSession(run.knex, async (session) => {
      const [kept = 0] = await oidsOf(session, ['kept']);
      const errors = [new LetGo(), new Changed([`1259/${kept}`, '1259/1'])];
      expect(await refusalOf(attempts(session, patience(2), errors), 'drop-differs')).to.include({
        subject: 'table public.kept, an object that no longer exists',
        message:
          'Other sessions changed objects that m drops while they were captured; gave up after 2 attempts.',
        reason: 'Changed during the last attempt: table public.kept, an object that no longer exists.',
        next: 'Nothing was changed. Run it again when no session grants privileges on, comments on, renames or replaces these objects.',
      });
    });
  });

  describe('that wait long', () => {
    it('hold the lock that they waited for, and no other while they waited', async () => {
      const blocker = await another('begin; lock table kept in share mode');
      await inSession(run.knex, async (session) => {
        const found: unknown[] = [];
        const work = attempts(session, patience(3, 60_000), [new LetGo()], async (number) => {
          found.push([number, await held(session, 'kept'), await held(session, 'gone')]);
        });
        await until(() => waits('kept'), work);
        expect(found, 'the first attempt waits for nothing').to.deep.equal([[1, false, false]]);
        await blocker.query('commit');
        await work;
        expect(found.slice(1)).to.deep.equal([[2, true, false]]);
      });
    });

    it('are the last two, and never the first', async () => {
      const blocker = await another('begin; lock table kept in share mode');
      const waited = async (tries: number) => {
        const asked: number[] = [];
        await inSession(run.knex, async (session) => {
          let number = 1;
          const read: Session = {
            ...session,
            run: (sql, values) => {
              if (/lock table only public\.kept/.test(sql)) asked.push(number);
              return session.run(sql, values);
            },
          };
          const errors = Array.from({ length: tries - 1 }, () => new LetGo());
          // Where the lock is not acquired, the attempt fails without its work.
          await attempts(read, patience(tries, 1), errors, async (now) => {
            number = now + 1;
          }).catch((error) => expect(error.code).to.equal('lock-timeout'));
        });
        return asked;
      };
      expect(await waited(1)).to.deep.equal([]);
      expect(await waited(2)).to.deep.equal([2]);
      expect(await waited(3)).to.deep.equal([2, 2]);
      expect(await waited(5)).to.deep.equal([4, 4]);
      await blocker.query('commit');
      expect(await waited(3), 'nobody holds it').to.deep.equal([]);
    });

    it('release it to a session that waits behind and holds another lock', async () => {
      const blocker = await another('begin; lock table kept in share mode');
      const behind = await another('begin; select from gone');
      await inSession(run.knex, async (session) => {
        const found: unknown[] = [];
        const work = attempts(session, patience(2, 60_000), [new LetGo()], async (number) => {
          found.push([number, await held(session, 'kept')]);
        });
        await until(() => waits('kept'), work);
        const insert = behind.query('insert into kept values (1)');
        const second = `select from pg_locks where not granted and relation = 'kept'::regclass and mode = 'RowExclusiveLock'`;
        await until(async () => (await run.rows(second)).length > 0, work);
        await blocker.query('commit');
        await work;
        expect(found).to.deep.equal([
          [1, false],
          [2, false],
        ]);
        await insert;
        await behind.query('rollback');
      });
    });

    it('undo ALTER … OWNER TO, which may name an owner that was replaced during the wait', async () => {
      await run.knex.raw(`create role ${owner}; create view seen as select 1`);
      const blocker = await another(`begin; alter view seen owner to ${owner}`);
      await inSession(run.knex, async (session) => {
        const [seen] = await run.rows<{ oid: number }>(`select 'seen'::regclass::int as oid`);
        const asked = () => [{ oid: seen?.oid ?? 0, sql: 'alter view public.seen owner to postgres' }];
        const owners: unknown[] = [];
        const work = withLockTries(session, patience(2, 60_000), asked, async ({ number }) => {
          owners.push(
            await session.read(
              `select pg_get_userbyid(relowner) as owner from pg_class where relname = 'seen'`,
            ),
          );
          if (number === 1) throw new LetGo();
        });
        await until(() => waits('seen'), work);
        await blocker.query('commit');
        await work;
        expect(owners).to.deep.equal([[{ owner: 'postgres' }], [{ owner }]]);
      });
    });

    it('are none where the transaction holds locks of an earlier drop already', async () => {
      await another('begin; lock table kept in share mode');
      const asked: string[] = [];
      await inSession(run.knex, async (session) => {
        await session.run('lock table only public.gone in access exclusive mode');
        const read: Session = {
          ...session,
          run: (sql, values) => {
            asked.push(sql);
            return session.run(sql, values);
          },
        };
        await attempts(read, patience(3, 1), [new LetGo(), new LetGo()]);
      });
      expect(asked).to.deep.equal([]);
    });

    it('take the error of a lock that cannot be acquired from the attempt itself', async () => {
      await another('begin; lock table kept in share mode');
      await inSession(run.knex, async (session) => {
        const [kept = 0] = await oidsOf(session, ['kept']);
        const asked = () => [{ oid: kept, sql: 'lock table only public.absent in access exclusive mode' }];
        const numbers: number[] = [];
        await withLockTries(session, patience(2), asked, async ({ number }) => {
          numbers.push(number);
          if (number === 1) throw new LetGo();
        });
        expect(numbers).to.deep.equal([1, 2]);
      });
    });
  });

  describe('for further locks', () => {
    it('are repeated within the attempt, which keeps its work', async () => {
      await inSession(run.knex, async (session) => {
        let number = 0;
        await session.run('create temporary table work (id int)');
        await withMoreLocks(session, patience(3), [], async () => {
          number++;
          await session.run('insert into pg_temp.work values (1)');
          if (number < 3) throw failure('55P03');
        });
        expect(number).to.equal(3);
        expect(await session.read('select id from pg_temp.work')).to.deep.equal([{ id: 1 }]);
        for (const error of [new LetGo(), failure('40P01')]) {
          number = 0;
          const more = withMoreLocks(session, patience(3), [], async () => {
            number++;
            throw error;
          });
          await more.then(
            () => expect.fail('it was acquired'),
            (thrown) => expect(thrown).to.equal(error),
          );
          expect(number).to.equal(1);
        }
      });
    });

    it('end with the sessions that hold them', async () => {
      await another('begin; lock table kept in share mode');
      await inSession(run.knex, async (session) => {
        let number = 0;
        const oids = await oidsOf(session, ['gone', 'kept']);
        const more = withMoreLocks(session, patience(2), oids, async () => {
          number++;
          throw failure('55P03');
        });
        expect(await refusalOf(more, 'lock-timeout')).to.include({ subject: 'public.kept' });
        expect(number).to.equal(2);
      });
    });
  });

  it('are announced with the transactions that have held one of the locks for long', async () => {
    await another('begin; lock table kept in access share mode');
    const told = () => said(() => inSession(run.knex, (session) => attempts(session, patience(1), [])));
    expect(await told()).to.equal('');
    const young = `select from pg_stat_activity where state = 'idle in transaction' and now() - xact_start < '5.1 s'`;
    while ((await run.rows(young)).length > 0) await sleep(50);
    expect(await told()).to.match(
      /^m: may be blocked by pid \d+ \(postgres\), \d+ s old, which holds AccessShareLock on public\.kept\n$/,
    );
  });
});
