import { expect } from 'chai';
import { formats } from '../src/archive/schema.ts';
import { prepareLedger } from '../src/knex/ledger.ts';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import type { DropOptions } from '../src/options/options.ts';
import { type Runner, refusalOf, runner, said } from './support/migrate.ts';
import { onEmbedded, type TestDatabase } from './support/server.ts';
import { skip } from './support/skip.ts';
import { useServer } from './support/use-database.ts';

const [migrator, reader] = [`closed_migrator_${process.pid}`, `closed_reader_${process.pid}`];

describe('privileges on the archive', () => {
  const server = useServer();
  let database: TestDatabase;
  let run: Runner;

  before(async function () {
    if (onEmbedded) skip(this, 'everybody is postgres in PGlite');
  });

  beforeEach(async () => {
    database = await server.createDatabase();
    await sql(`create role ${migrator} login; create role ${reader} login;
      grant create on database "${database.name}" to ${migrator};
      create schema app authorization ${migrator}; grant usage on schema app to ${reader}; set role ${migrator};
      create table app.people (id int primary key, secret text); insert into app.people values (1, 'secret');
      grant select (id) on app.people to ${reader};
      create table app.other (id int); insert into app.other values (1)`);
    run = runner(server.url(database.name, migrator));
  });

  afterEach(async () => {
    await run.end();
    await server.dropDatabase(database.name);
    await server.sql('postgres', `drop role ${migrator}; drop role ${reader}`);
  });

  const sql = (text: string) => server.sql(database.name, text);
  const make = (options: Partial<DropOptions> = {}) =>
    reversibleDrop({ name: 'm', tables: ['app.people'], rows: 'copy', ...options });
  const other = () => make({ name: 'n', tables: ['app.other'] });
  const grants = () =>
    sql(`
      select n.name, e.grantee::regrole::text, e.privilege_type from (
        select 'schema' as name, n.nspacl as acl, n.nspowner as owner from pg_namespace as n where n.nspname = 'undrop'
        union all
        select c.relname, c.relacl, c.relowner from pg_class as c where c.relnamespace = to_regnamespace('undrop')
        union all
        select c.relname || '.' || a.attname, a.attacl, c.relowner
        from pg_class as c join pg_attribute as a on a.attrelid = c.oid where c.relnamespace = to_regnamespace('undrop')
      ) as n cross join lateral aclexplode(n.acl) as e
      where e.grantee <> n.owner order by 1, 2, 3`);
  /** Runs a statement as the reader. */
  const readSecret = async (): Promise<unknown> => {
    const other = runner(server.url(database.name, reader));
    try {
      return await other.rows('select secret from undrop.rows_1_1').catch((error) => error.code);
    } finally {
      await other.end();
    }
  };
  const openAll = (to: string) => `
    alter default privileges for role ${migrator} grant usage, create on schemas to ${to};
    alter default privileges for role ${migrator} grant all on tables to ${to};
    alter default privileges for role ${migrator} grant all on sequences to ${to}`;

  for (const to of ['public', reader]) {
    it(`are revoked when it is created, where default privileges grant everything to ${to === reader ? 'a role' : to}`, async () => {
      await sql(openAll(to));
      await run.up(make());
      expect(await grants()).to.deep.equal([]);
      expect(await readSecret()).to.equal('42501');
      await sql(
        `alter default privileges for role ${migrator} in schema undrop grant select on tables to ${to}`,
      );
      await run.up(other());
      expect(await grants()).to.deep.equal([]);
      await run.down(other());
      await run.down(make());
    });

    it(`are revoked where its schema was created with the migrations table: ${to === reader ? 'a role' : to}`, async () => {
      await sql(openAll(to));
      const client = await server.client(database.name, migrator);
      await prepareLedger(client, { schemaName: 'undrop', tableName: 'knex_migrations', given: true });
      await client.end();
      const open = await sql(`
        select from pg_namespace as n cross join lateral aclexplode(n.nspacl) as e
        where n.nspname = 'undrop' and e.grantee <> n.nspowner`);
      expect(open).to.deep.equal([]);
    });
  }

  it('of an older format are revoked on new tables only', async () => {
    await sql(`set role ${migrator}; create schema undrop; ${formats[0]}; insert into undrop.identity (format) values (1);
      grant usage on schema undrop to ${reader}; grant select on undrop.drops to ${reader};
      reset role; ${openAll(reader)}`);
    await run.up(other());
    expect(await grants()).to.deep.equal([
      { name: 'drops', grantee: reader, privilege_type: 'SELECT' },
      { name: 'schema', grantee: reader, privilege_type: 'USAGE' },
    ]);
  });

  const leaks: readonly (readonly [what: string, sql: string, says: string[]])[] = [
    ['to a role', `grant select on undrop.rows_1_1 to ${reader}`, [`${reader} may select`]],
    ['to PUBLIC', `grant select on undrop.rows_1_1 to public`, ['PUBLIC may select']],
    ['on one column', `grant select (secret) on undrop.rows_1_1 to ${reader}`, [`${reader} may select`]],
    [
      'by another role',
      `grant select on undrop.rows_1_1 to ${reader} with grant option;
       set role ${reader}; grant select on undrop.rows_1_1 to public`,
      [`${reader} may select`, 'PUBLIC may select'],
    ],
  ];
  for (const [what, leak, says] of leaks) {
    it(`revokes SELECT on its rows granted ${what}, and logs this`, async () => {
      await run.up(make());
      await sql(`grant usage on schema undrop to ${reader}; ${leak}`);
      expect(await readSecret()).to.deep.equal([{ secret: 'secret' }]);
      const words = await said(() => run.up(other()));
      for (const line of says) {
        expect(words).to.contain(`${line} on table undrop.rows_1_1, which holds dropped rows: revoked\n`);
      }
      expect(await readSecret()).to.equal('42501');
      expect(await said(() => run.down(other()))).not.to.contain('revoked');
      await run.down(make());
    });
  }

  it('are ignored where no role has USAGE on the schema', async () => {
    await run.up(make());
    await sql(`grant select on undrop.rows_1_1 to ${reader}`);
    expect(await said(() => run.up(other()))).not.to.contain('revoked');
    expect(await readSecret()).to.equal('42501');
  });

  it('cause a refusal where other roles may read rows, and this role cannot revoke that', async () => {
    await run.up(make());
    await sql(`grant usage on schema undrop to ${reader}; alter table undrop.rows_1_1 owner to postgres;
      grant select on undrop.rows_1_1 to ${reader}; grant select on undrop.rows_1_1 to ${migrator}`);
    const error = await refusalOf(run.up(other()), 'archive-damaged');
    expect(error.reason).to.equal(`${reader} may select on table undrop.rows_1_1`);
    const revoke = `revoke select on table undrop.rows_1_1 from ${reader} cascade`;
    expect(error.next).to.match(new RegExp(`^Run: ${revoke}\\n`));
    await sql(revoke);
    await run.up(other());
  });

  it('may include SELECT, except on rows', async () => {
    await run.up(make());
    await sql(`grant usage on schema undrop to ${reader};
      grant select on undrop.drops, undrop.statements, undrop.facts, undrop.rows to ${reader}`);
    expect(await said(() => run.down(make()))).not.to.contain('revoked');
  });
});
