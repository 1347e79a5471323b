import { expect } from 'chai';
import { digestRows } from '../src/archive/digest-rows.ts';
import {
  checkStores,
  compareRows,
  describeKept,
  dropStores,
  type KeptRows,
  keepRows,
  storeOfCopy,
} from '../src/archive/kept-rows.ts';
import { ensureArchive } from '../src/archive/schema.ts';
import { readClosure } from '../src/catalog/closure.ts';
import { captureRows } from '../src/catalog/families/rows.ts';
import { inSession, type Session } from '../src/session/session.ts';
import { refusalOf, runner, said } from './support/migrate.ts';
import { oidsOf } from './support/oracle.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { skip } from './support/skip.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('kept rows', () => {
  const server = useServer();
  const { run } = useDatabase(server, '', { shared: true });

  before(() => inSession(run.knex, ensureArchive));

  /** Does work after these statements, which are rolled back with it. */
  async function afterwards<T>(schema: string, work: (session: Session) => Promise<T>): Promise<T> {
    const transaction = await run.knex.transaction();
    try {
      await transaction.raw(schema);
      return await inSession(transaction, work);
    } finally {
      await transaction.rollback();
    }
  }

  const two = `
    create table t (id int, v text);
    insert into t values (1, 'a'), (2, 'b');
    create table u (id int);
    insert into u values (1)`;

  async function keep(session: Session, names: readonly string[]): Promise<KeptRows[]> {
    const closure = await readClosure(session, await oidsOf(session, names));
    const { tables } = await captureRows(session, closure, (_, number) => storeOfCopy(7, number));
    return keepRows(session, tables);
  }

  /** The statement for an entry that the sequence did not number. */
  const entry = (id: number) => `
    insert into undrop.drops (id, migration, tables, server_version, fingerprint, digest, overrides, approvals,
      prerequisites, hosts)
    overriding system value values (${id}, 'm${id}', '[]', '', '', '', '[]', '[]', '[]', '[]')`;
  const kept = (count: string): KeptRows => ({ table: 't', store: 's', count, digest: '' });

  it('are copied, counted and digested, in the order of the tables', async () => {
    await afterwards(two, async (session) => {
      const rows = await keep(session, ['u', 't']);
      expect(rows).to.deep.equal([
        { table: 'public.t', store: 'undrop.rows_7_1', ...(await digestRows(session, 'public.t')) },
        { table: 'public.u', store: 'undrop.rows_7_2', ...(await digestRows(session, 'public.u')) },
      ]);
      expect(rows.map(({ count }) => count)).to.deep.equal(['2', '1']);
      expect(await session.read('select id, v from undrop.rows_7_1 order by id')).to.deep.equal([
        { id: 1, v: 'a' },
        { id: 2, v: 'b' },
      ]);
      expect(await session.read('select id from undrop.rows_7_2')).to.deep.equal([{ id: 1 }]);
      expect(await keepRows(session, [])).to.deep.equal([]);
    });
  });

  it('belong to nobody else, whatever the default privileges', async () => {
    const schema = `${two}; alter default privileges grant select on tables to public`;
    await afterwards(schema, async (session) => {
      await keep(session, ['t', 'u']);
      const open = await session.read(`
        select c.relname from pg_catalog.pg_class as c, pg_catalog.aclexplode(c.relacl) as e
        where c.relname ~ '^rows_7_' and e.grantee = 0`);
      expect(open).to.deep.equal([]);
    });
  });

  it('are compared by their number and their values, with the columns that differ', async () => {
    await afterwards(two, async (session) => {
      const rows = await keep(session, ['t', 'u']);
      expect(await compareRows(session, rows)).to.deep.equal([]);
      expect(await compareRows(session, [])).to.deep.equal([]);
      const [of] = rows;
      const about = { object: 'table public.t', catalog: 'rows' };

      await session.run(`update public.t set v = 'c' where id = 2`);
      const changed = await digestRows(session, 'public.t');
      expect(await compareRows(session, rows), 'the same number').to.deep.equal([
        {
          ...about,
          column: 'digest',
          before: of?.digest,
          after: `${changed.digest} (column v (text): other values than the copy)`,
        },
      ]);
      const lost = rows.map((one) => ({ ...one, store: '' }));
      expect(await compareRows(session, lost), 'without the copy').to.deep.equal([
        { ...about, column: 'digest', before: of?.digest, after: changed.digest },
      ]);

      await session.run('delete from public.t where id = 2');
      const fewer = await digestRows(session, 'public.t');
      expect(await compareRows(session, rows), 'fewer').to.deep.equal([
        { ...about, column: 'count', before: '2', after: '1' },
        { ...about, column: 'digest', before: of?.digest, after: fewer.digest },
      ]);
    });
  });

  describe('of tables with forced row-level security', () => {
    const schema = `
      create role ${rolePrefix}_owner;
      grant create, usage on schema public, undrop to ${rolePrefix}_owner;
      set local role ${rolePrefix}_owner;
      ${two};
      alter table u enable row level security;
      alter table u force row level security`;
    const forced = `select relname from pg_catalog.pg_class where relforcerowsecurity order by relname`;

    beforeEach(function () {
      if (server.embedded) skip(this, 'everybody is postgres in PGlite');
    });

    it('are all copied and compared, and the security is forced again', async () => {
      await afterwards(schema, async (session) => {
        const rows = await keep(session, ['t', 'u']);
        expect(rows.map(({ count }) => count)).to.deep.equal(['2', '1']);
        expect(await session.read(forced)).to.deep.equal([{ relname: 'u' }]);
        expect(await compareRows(session, rows)).to.deep.equal([]);
        expect(await session.read(forced)).to.deep.equal([{ relname: 'u' }]);
      });
    });

    it('are refused to a role that may not read them, with the table, and nothing is left', async () => {
      await afterwards(`${schema}; revoke select on u from ${rolePrefix}_owner`, async (session) => {
        const error = await refusalOf(keep(session, ['t', 'u']), 'insufficient-privilege');
        expect(error).to.include({
          subject: 'public.u',
          message: 'This role cannot copy the rows of public.u.',
          next: 'Run the migration as a role that may read all of the rows, has USAGE on the types of the columns, and may create tables in the schema undrop.',
        });
        expect(error.reason).to.match(/\bu\b/);
        expect(error.cause).to.include({ code: '42501' });
        expect(
          await session.read(`select from pg_catalog.pg_class where relname ~ '^rows_7_'`),
        ).to.deep.equal([]);
      });
    });
  });

  it('that the server cannot read are refused, with the table', async () => {
    const schema = `${two}; create table switch (id int);
      create function f(text) returns boolean language plpgsql immutable as $$ begin
        if exists (select from public.switch) then raise exception 'switched'; end if;
        return true;
      end $$;
      create index on u (id) where f('x');
      insert into switch values (1)`;
    await afterwards(schema, async (session) => {
      const error = await refusalOf(keep(session, ['t', 'u']), 'not-reproducible');
      expect(error.message).to.equal('The rows of public.u could not be read.');
    });
  });

  it('are not published while they are copied', async function () {
    if (server.embedded) skip(this, 'PGlite has no replication slots');
    const own = await server.createDatabase();
    // A slot sees only what was flushed.
    await server.sql(own.name, `alter database "${own.name}" set synchronous_commit = on`);
    const there = runner(own.url);
    try {
      await there.knex.raw(`${two}; create schema undrop; create publication everything for all tables`);
      await there.rows(`select pg_create_logical_replication_slot('kept_rows', 'pgoutput')`);
      await inSession(there.knex, (session) => keep(session, ['t', 'u']));
      // 73 is I, an INSERT. https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
      const inserts = `select from pg_logical_slot_get_binary_changes('kept_rows', null, null,
        'proto_version', '1', 'publication_names', 'everything') where get_byte(data, 0) = 73`;
      expect(await there.rows(inserts)).to.have.length(0);
      await there.knex.raw('insert into undrop.rows_7_2 values (2)');
      expect(await there.rows(inserts), 'so that the test can fail').to.have.length(1);
      await there.rows(`select pg_drop_replication_slot('kept_rows')`);
    } finally {
      await there.end();
      await server.dropDatabase(own.name);
    }
  });

  it('are missed where their tables are gone, all in one error', async () => {
    await afterwards(`${two}; create table undrop.rows_7_1 ()`, async (session) => {
      const rows = [1, 2, 3].map((number) => ({
        ...kept('1'),
        table: `public.t${number}`,
        store: storeOfCopy(7, number),
      }));
      await checkStores(session, rows.slice(0, 1));
      await checkStores(session, []);
      expect(await refusalOf(checkStores(session, rows), 'archive-damaged')).to.include({
        subject: 'public.t2, public.t3',
        message: 'The archive no longer holds the rows of public.t2, public.t3.',
        reason: 'These tables no longer exist: undrop.rows_7_2, undrop.rows_7_3.',
        next: 'Restore the tables from a backup.',
      });
      // The rows of an entry that came by logical replication stayed behind.
      await session.run(entry(5));
      await refusalOf(checkStores(session, rows), 'archive-foreign');
      await checkStores(session, rows.slice(0, 1));
    });
  });

  it('are dropped with their entries, and no others', async () => {
    await afterwards(two, async (session) => {
      for (const id of [1, 2, 3]) {
        await session.run(`create table ${storeOfCopy(id, 1)} (); ${entry(id)};
          insert into undrop.rows values (${id}, 0, 't', '${storeOfCopy(id, 1)}', 0, '')`);
      }
      const left = async () =>
        (
          await session.read<{ relname: string }>(
            `select relname from pg_catalog.pg_class where relname ~ '^rows_[0-9]' order by relname`,
          )
        ).map(({ relname }) => relname);
      await dropStores(session, []);
      await dropStores(session, [4]);
      expect(await left()).to.deep.equal(['rows_1_1', 'rows_2_1', 'rows_3_1']);
      await dropStores(session, [1, 3]);
      expect(await left()).to.deep.equal(['rows_2_1']);
      await dropStores(session, [1, 2]);
      expect(await left()).to.deep.equal([]);
    });
  });

  it('are totalled over all tables', () => {
    expect(describeKept([])).to.equal('0 rows');
    expect(describeKept([kept('1')])).to.equal('1 row');
    expect(describeKept([kept('2'), kept('9007199254740993')])).to.equal('9007199254740995 rows');
  });

  it('that take long are reported with their tables', async () => {
    const slow = `${two}; create view v as select pg_sleep(2)::text as slept`;
    const text = await said(() =>
      afterwards(slow, async (session) => {
        const store = storeOfCopy(7, 1);
        const fill = `insert into ${store} select id from public.u; select pg_catalog.pg_sleep(2)`;
        await keepRows(session, [
          { table: 'public.u', store, create: `create table ${store} (id int)`, fill },
        ]);
        await compareRows(session, [{ ...kept('1'), table: 'public.v', store: '' }]);
      }),
    );
    expect(text).to.match(/copy rows: 0 of 1 done, 1 left after \d s, now public\.u/);
    expect(text).to.match(/compare rows: 0 of 1 done, 1 left after \d s, now public\.v/);
  });
});
