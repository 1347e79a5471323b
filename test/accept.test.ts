import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { listArchive } from '../src/archive/list.ts';
import { pruneArchive } from '../src/archive/prune.ts';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import { settleEntries } from '../src/restore/mark-restored.ts';
import { restoreArchive } from '../src/restore/restore.ts';
import { exportArchive } from '../src/script/export-archive.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { inSession, type Session } from '../src/session/session.ts';
import { readStatus } from '../src/status/status.ts';
import { quietly } from '../src/text/log.ts';
import { verifyDatabase } from '../src/verify/verify.ts';
import { inCase } from './support/case-folders.ts';
import { type Runner, refusalOf, said, withEnvironment } from './support/migrate.ts';
import { testServer } from './support/server.ts';

const schema = `
  create table parents (id int primary key);
  create table t (id int primary key, parent int references parents, note text);
  insert into t values (1, null, 'one'), (2, null, 'two')`;

/** Creates an event trigger that comments on every new table. */
const commenting = (words: string) => `
  create or replace function commented() returns event_trigger language plpgsql as $$
    declare o record;
    begin
      for o in select * from pg_event_trigger_ddl_commands() where command_tag = 'CREATE TABLE' loop
        execute format('comment on table %s is %L', o.object_identity, '${words}');
      end loop;
    end $$;
  drop event trigger if exists commented;
  create event trigger commented on ddl_command_end when tag in ('CREATE TABLE') execute function commented()`;

const migration = reversibleDrop({ name: 'm', tables: ['t'], rows: 'copy' });

describe('accepted differences', () => {
  const up = (run: Runner) => quietly(() => run.up(migration));
  const down = (run: Runner) => quietly(() => run.down(migration));
  const accepting = <T>(digest: string, work: () => Promise<T>) =>
    withEnvironment({ UNDROP_ACCEPT_DIFFERENCES: digest }, work);
  const reading = <T>({ knex }: Runner, work: (session: Session) => Promise<T>) =>
    inReadOnlySession(knex, work);
  const writing = <T>({ knex }: Runner, work: (session: Session) => Promise<T>) =>
    quietly(() => inSession(knex, work));
  const digestIn = (text: string) => /UNDROP_ACCEPT_DIFFERENCES=([0-9a-f]{12})/.exec(text)?.[1] ?? '';

  it('are listed in full, with a digest that accepts exactly these, for one run', async () => {
    await inCase(await testServer(), schema, async (run) => {
      await up(run);
      await run.knex.raw(commenting('new'));
      const first = await refusalOf(down(run), 'restore-differs');
      expect(first.reason).to.match(/^table public\.t: pg_description\.\* was nothing, is .*new/);
      const digest = digestIn(first.next);
      expect(digest).to.match(/^[0-9a-f]{12}$/);

      // The digest does not depend on values, but on the set of differences.
      await run.knex.raw(commenting('newer'));
      expect(digestIn((await refusalOf(down(run), 'restore-differs')).next)).to.equal(digest);
      await run.knex.raw(`create function renamed() returns event_trigger language plpgsql as $$ begin
          if to_regclass('public.t') is not null then alter table public.t alter note set statistics 7; end if;
        end $$;
        create event trigger renamed on ddl_command_end when tag in ('CREATE TABLE') execute function renamed()`);
      const further = await accepting(digest, () => refusalOf(down(run), 'restore-differs'));
      expect(further.reason.split('\n')).to.have.length(2);
      expect(digestIn(further.next)).not.to.equal(digest);
      await run.knex.raw('drop event trigger renamed');

      const words = await said(() => accepting(digest, () => run.down(migration)));
      expect(words).to.include(`restored, with 1 accepted difference from what was dropped`);
      expect(words).to.include(`(${digest})`);
      expect(await run.rows('select id, note from t order by id')).to.deep.equal([
        { id: 1, note: 'one' },
        { id: 2, note: 'two' },
      ]);
    });
  });

  it('are archived with statements and rows, shown by status and verify, and pruned only by --entry', async () => {
    await inCase(await testServer(), schema, async (run) => {
      await up(run);
      await run.knex.raw(commenting('new'));
      const digest = digestIn((await refusalOf(down(run), 'restore-differs')).next);
      await accepting(digest, () => down(run));

      const { archive } = await reading(run, (session) =>
        readStatus(session, { ledger: undefined, load: async () => [] }),
      );
      const [{ user } = { user: '' }] = await run.rows<{ user: string }>('select current_user::text as user');
      expect(archive[0]?.note).to.match(
        new RegExp(
          `^1 difference accepted by ${user} on .* in down \\(${digest}\\): table public.t \\(pg_description\\.\\*\\)$`,
        ),
      );
      const { ok, checks } = await reading(run, (session) => verifyDatabase(session, { expect: 2 }));
      const check = checks.find(({ name }) => name === 'accepted differences');
      expect([ok, check?.state]).to.deep.equal([true, 'not checked']);
      expect(check?.found).to.include(`m (entry 1): 1 difference accepted by ${user}`);

      const kept = () => run.rows(`select to_regclass('undrop.rows_1_1') as store from undrop.drops`);
      const stay = await writing(run, (session) => pruneArchive(session, {}));
      expect(stay.kept[0]?.reason).to.include('--entry 1 removes it');
      expect(await kept()).to.deep.equal([{ store: 'undrop.rows_1_1' }]);
      const folder = mkdtempSync(join(tmpdir(), 'undrop-accept-'));
      try {
        const files = await reading(run, (session) => exportArchive(session, folder, { entry: 1 }));
        expect(files.map(({ rows }) => rows)).to.deep.equal(['2']);
      } finally {
        rmSync(folder, { recursive: true });
      }
      expect((await reading(run, listArchive))[0]?.bytes).not.to.equal('0');

      await writing(run, (session) => pruneArchive(session, { entry: 1 }));
      expect(await kept()).to.deep.equal([]);
      expect(await run.rows(`select to_regclass('undrop.rows_1_1') as store`)).to.deep.equal([
        { store: null },
      ]);
    });
  });

  it('are accepted in up too, except rows', async () => {
    await inCase(await testServer(), schema, async (run) => {
      await run.knex.raw(commenting('new'));
      const refused = await refusalOf(up(run), 'rehearsal-differs');
      const digest = digestIn(refused.next);
      await accepting(digest, () => up(run));
      expect(await run.rows(`select command, digest from undrop.acceptances`)).to.deep.equal([
        { command: 'up', digest },
      ]);
      await refusalOf(down(run), 'restore-differs');
      await accepting(digest, () => down(run));
      expect(await run.rows(`select command from undrop.acceptances order by id`)).to.deep.equal([
        { command: 'up' },
        { command: 'down' },
      ]);

      await run.knex.raw(`drop event trigger commented;
        create function other() returns event_trigger language plpgsql as $$ begin
          if to_regclass('public.t') is not null then update public.t set note = note || '!' where id = 1; end if;
        end $$;
        create event trigger other on ddl_command_end when tag in ('ALTER TABLE', 'CREATE INDEX') execute function other()`);
      const rows = await refusalOf(up(run), 'rehearsal-differs');
      expect(rows.reason).to.include('rows.digest was');
      expect(digestIn(rows.next), 'an offer to lose rows').to.equal('');
    });
  });

  it('of rows are accepted in a restore', async () => {
    await inCase(await testServer(), schema, async (run) => {
      await up(run);
      await run.knex.raw(`create function other() returns event_trigger language plpgsql as $$ begin
          if to_regclass('public.t') is not null then update public.t set note = 'changed' where id = 1; end if;
        end $$;
        create event trigger other on ddl_command_end when tag in ('ALTER TABLE', 'CREATE INDEX') execute function other()`);
      const restore = (accept?: string) =>
        writing(run, (session) => restoreArchive(session, { migration: 'm' }, accept));
      const { next, reason } = await refusalOf(restore(), 'restore-differs');
      expect(reason).to.include('rows.digest was');
      await restore(digestIn(next));
      expect(
        await run.rows(
          `select command, pg_catalog.to_regclass('undrop.rows_1_1') as store from undrop.acceptances`,
        ),
      ).to.deep.equal([{ command: 'restore', store: 'undrop.rows_1_1' }]);
    });
  });

  it('allow marking a table as restored that was restored by other means', async () => {
    await inCase(await testServer(), schema, async (run) => {
      await up(run);
      await run.knex.raw(`create table t (id int primary key, parent int references parents, note text);
        insert into t values (1, null, 'one'), (2, null, 'two');
        comment on table t is 'by hand'`);
      const [left] = await writing(run, (session) => settleEntries(session));
      expect(left?.restored).to.equal(false);
      const [done] = await writing(run, (session) => settleEntries(session, digestIn(left?.reason ?? '')));
      expect(done?.restored).to.equal(true);
      expect(await run.rows('select command from undrop.acceptances')).to.deep.equal([
        { command: 'restore' },
      ]);
    });
  });

  it('are accepted by a digest; any other value is refused as bad-options', async () => {
    const parse = () => Promise.resolve().then(() => reversibleDrop({ name: 'm', tables: ['t'] }));
    const { reason } = await accepting('yes', () => refusalOf(parse(), 'bad-options'));
    expect(reason).to.include('UNDROP_ACCEPT_DIFFERENCES is "yes", not the 12 hexadecimal digits');
  });
});
