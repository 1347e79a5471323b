import { expect } from 'chai';
import { readClosure } from '../src/catalog/closure.ts';
import { type DropOptions, parseOptions } from '../src/options/options.ts';
import { inSession } from '../src/session/session.ts';
import { check } from '../src/up/preconditions.ts';
import { refusalOf, said } from './support/migrate.ts';
import { oidsOf } from './support/oracle.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { skip } from './support/skip.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('the preconditions of a drop', () => {
  const server = useServer();
  const { run } = useDatabase(server, '', { shared: true });

  /** Checks a drop of the tables after these statements, which are rolled back. */
  async function checkAfter(
    schema: string,
    tables: string[],
    options: Partial<DropOptions> = {},
    env: NodeJS.ProcessEnv = {},
  ): Promise<void> {
    const transaction = await run.knex.transaction();
    try {
      await transaction.raw(schema);
      await inSession(transaction, async (session) => {
        const closure = await readClosure(session, await oidsOf(session, tables));
        await check(session, closure, parseOptions({ name: 'm', tables, ...options }, env));
      });
    } finally {
      await transaction.rollback();
    }
  }

  const remedies =
    "Delete the rows if they are not needed, set rows: 'move' or rows: 'copy' to keep them in the archive, " +
    'or remove the table from the migration.';

  describe('without rows', () => {
    const schema = `
      create table t (id serial primary key);
      create table other (t_id int references t)`;

    it('refuse a dependent object, with the options that drop it too', async () => {
      const error = await refusalOf(checkAfter(schema, ['t']), 'has-dependents');
      expect(error).to.include({
        subject: 'other_t_id_fkey on public.other',
        message: 'The drop would also remove 1 dependent object.',
        reason: 'table constraint other_t_id_fkey on public.other',
        next:
          'Remove these references first, or drop and restore them with the tables: ' +
          "dependents: 'cascade', for one run UNDROP_DEPENDENTS=cascade:m",
      });
    });

    it('refuse all dependent objects in one error', async () => {
      const more = `${schema}; create view v as select id from t`;
      const error = await refusalOf(checkAfter(more, ['t']), 'has-dependents');
      expect(error).to.include({
        subject: 'other_t_id_fkey on public.other, public.v',
        message: 'The drop would also remove 2 dependent objects.',
        reason: 'table constraint other_t_id_fkey on public.other\nview public.v',
      });
    });

    it('are met without dependent objects, or where they may be dropped', async () => {
      await checkAfter(schema, ['other']);
      await checkAfter(schema, ['t', 'other']);
      for (const rows of ['refuse', 'copy', 'move'] as const)
        await checkAfter(schema, ['t'], { dependents: 'cascade', rows });
    });

    it('refuse dependent objects whatever happens to the rows', async () => {
      for (const rows of ['copy', 'move'] as const)
        await refusalOf(checkAfter(schema, ['t'], { rows }), 'has-dependents');
    });
  });

  describe('with rows', () => {
    const schema = `
      create table one (id int); insert into one values (1);
      create table two (id int); insert into two values (1), (2);
      create table thousand (id int); insert into thousand select generate_series(1, 1000);
      create table many (id int); insert into many select generate_series(1, 1001);
      create table deleted (id int); insert into deleted values (1); delete from deleted;
      create table parent (id int);
      create table child () inherits (parent); insert into child values (1)`;

    it('refuse a table', async () => {
      const error = await refusalOf(checkAfter(schema, ['two']), 'not-empty');
      expect(error).to.include({
        subject: 'public.two',
        message: 'public.two is not empty.',
        reason: 'public.two: 2 rows',
        next: remedies,
      });
    });

    it('refuse all tables in one error, which counts up to 1000 rows of each', async () => {
      const tables = ['child', 'deleted', 'many', 'one', 'parent', 'thousand'];
      const error = await refusalOf(checkAfter(schema, tables, { dependents: 'cascade' }), 'not-empty');
      expect(error).to.include({
        subject: 'public.child, public.many, public.one, public.thousand',
        message: 'public.child, public.many, public.one, public.thousand are not empty.',
        reason:
          'public.child: 1 row\npublic.many: more than 1000 rows\npublic.one: 1 row\npublic.thousand: 1000 rows',
        next: remedies,
      });
    });

    it('are met by tables whose rows were deleted, and where the rows are kept', async () => {
      await checkAfter(schema, ['deleted']);
      for (const rows of ['copy', 'move'] as const) await checkAfter(schema, ['many', 'two'], { rows });
    });

    it('are met where another table has rows, and only loses a column', async () => {
      const typed = `create table t (id int); create table holder (id int, row_of t); insert into holder values (1)`;
      await checkAfter(typed, ['t'], { dependents: 'cascade' });
    });

    it('refuse a table that is too large to be copied, and no other', async () => {
      const env = { UNDROP_COPY_LIMIT: '8kB' };
      const error = await refusalOf(checkAfter(schema, ['many'], { rows: 'copy' }, env), 'not-empty');
      expect(error.message).to.match(/^The rows that m would copy take /);
      await checkAfter(schema, ['many'], { rows: 'move' }, env);
    });

    it('of foreign tables refuse, and say where the rows stay', async () => {
      const foreign = `${schema};
        create foreign data wrapper none; create server s foreign data wrapper none;
        create table p (id int) partition by range (id);
        create foreign table f partition of p for values from (0) to (9) server s`;
      const error = await refusalOf(checkAfter(foreign, ['one', 'p']), 'not-empty');
      expect(error.subject).to.equal('public.one, public.f');
      expect(error.next).to.equal(`${remedies} Rows of foreign tables stay on their server.`);
    });
  });

  it('are checked with reports of the table that takes long', async () => {
    const schema = `
      create table switch (id int);
      create function f(text) returns boolean language plpgsql immutable as $$ begin
        if exists (select from public.switch) then perform pg_sleep(2); end if;
        return true;
      end $$;
      create table t (id int); insert into t values (1); delete from t;
      create index on t (id) where f('x');
      insert into switch values (1)`;
    const text = await said(() => checkAfter(schema, ['t']));
    expect(text).to.match(/look for rows: 0 of 1 done, 1 left after \d s, now public\.t/);
  });

  describe('with rows that cannot be counted', () => {
    it('refuse tables whose rows may be hidden from the role', async function () {
      if (server.embedded) skip(this, 'everybody is postgres in PGlite');
      const schema = `
        create role ${rolePrefix}_owner;
        grant create, usage on schema public to ${rolePrefix}_owner;
        set local role ${rolePrefix}_owner;
        create table t (id int); insert into t values (1);
        alter table t enable row level security;
        alter table t force row level security;
        create table u (id int); insert into u values (1);
        create table empty (id int);
        revoke select on u, empty from ${rolePrefix}_owner`;
      const error = await refusalOf(checkAfter(schema, ['empty', 't', 'u']), 'not-empty');
      const found = 'unknown: row-level security or missing privileges hide its rows';
      expect(error.reason).to.equal(`public.t: ${found}\npublic.u: ${found}`);
    });

    it('refuse a table that the server cannot read, with its words', async () => {
      const schema = `
        create table switch (id int);
        create function f(text) returns boolean language plpgsql immutable as $$ begin
          if exists (select from public.switch) then raise exception 'switched'; end if;
          return true;
        end $$;
        create table t (id int); insert into t values (1);
        create index on t (id) where f('x');
        insert into switch values (1)`;
      const error = await refusalOf(checkAfter(schema, ['t']), 'not-reproducible');
      expect(error).to.include({
        subject: 'public.t_id_idx',
        message: 'The rows of public.t could not be read.',
      });
      expect(error.reason).to.match(/^switched/);
    });

    // Each row takes a page of its own: of exactly 64 MB, and of one page more.
    it('refuse large tables where functions of other roles would be run, and count the others', async function () {
      if (server.embedded) skip(this, 'everybody is postgres in PGlite');
      const page = `(id int, pad text default repeat('x', 1000)) with (fillfactor = 10, autovacuum_enabled = off)`;
      const schema = `
        create role ${rolePrefix}_other;
        create function f(text) returns boolean language plpgsql immutable as $$ begin
          if current_user <> '${rolePrefix}_other' and current_setting('undrop.watched', true) = 'on' then
            raise exception 'run by %', current_user;
          end if;
          return true;
        end $$;
        create table fits ${page}; insert into fits select generate_series(1, 8192);
        create table large ${page}; insert into large select generate_series(1, 8193);
        create table plain ${page}; insert into plain select generate_series(1, 8193);
        create index on fits (id) where f('x');
        create index on large (id) where f('x');
        alter function f owner to ${rolePrefix}_other;
        set local undrop.watched = 'on'`;
      const error = await refusalOf(checkAfter(schema, ['fits', 'large', 'plain']), 'not-empty');
      expect(error.reason.split('\n')).to.deep.equal([
        'public.fits: more than 1000 rows',
        'public.large: unknown: counting the rows would run functions of other roles',
        'public.plain: more than 1000 rows',
      ]);
    });
  });
});
