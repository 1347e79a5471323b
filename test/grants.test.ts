import { expect } from 'chai';
import { planDrop, reversibleDrop } from '../src/index.ts';
import { liveDdl } from '../src/script/ddl.ts';
import { formatDdl } from '../src/script/ddl-file.ts';
import { inSession } from '../src/session/session.ts';
import { refusalOf, runner } from './support/migrate.ts';
import { wholeText } from './support/pg-dump.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('grants', () => {
  const server = useServer();

  const { database, run } = useDatabase(
    server,
    `
      create role ${rolePrefix}_a nologin;
      create role ${rolePrefix}_b nologin;
      grant usage on schema public to ${rolePrefix}_a, ${rolePrefix}_b;`,
  );

  afterEach(async () => {
    await server.sql(
      'postgres',
      `drop role if exists ${rolePrefix}_a, ${rolePrefix}_b, ${rolePrefix}_migrator`,
    );
  });

  const options = { tables: ['t', 'u'], dependents: 'cascade' } as const;
  const migration = reversibleDrop({ name: '001_tables', ...options });
  const look = () => wholeText(database.url);

  const schema = `
    create table t (id serial primary key, v text);
    create table u (id int generated always as identity);
    create view v as select * from t;
    create materialized view m as select * from t;
    create function f(t) returns int language sql as 'select 1';
    create function f(v, out a int, out b t) language plpgsql as 'begin end';
    create procedure p(t) language sql as 'select 1';
    create aggregate g(t) (sfunc = array_append, stype = t[]);
    create domain d as t;
    create type r as range (subtype = t);
    grant select on t to ${rolePrefix}_a;
    grant execute on function f(t) to ${rolePrefix}_a;
    grant usage on type d to ${rolePrefix}_b;
    revoke execute on procedure p(t) from public;`;

  /** Default privileges that are set between up and down, and how to remove them. */
  const everything = `
    alter default privileges grant all on tables to ${rolePrefix}_b with grant option;
    alter default privileges in schema public grant select on tables to public;
    alter default privileges grant usage on sequences to ${rolePrefix}_b;
    alter default privileges in schema public grant all on sequences to public, ${rolePrefix}_a;
    alter default privileges revoke execute on functions from public;
    alter default privileges grant execute on routines to ${rolePrefix}_b with grant option;
    alter default privileges revoke all on types from public;
    alter default privileges grant usage on types to ${rolePrefix}_a;
    alter default privileges revoke select, insert on tables from postgres;
    alter default privileges revoke usage on types from postgres;`;
  const nothing = `
    alter default privileges revoke all on tables from ${rolePrefix}_b;
    alter default privileges in schema public revoke select on tables from public;
    alter default privileges revoke all on sequences from ${rolePrefix}_b;
    alter default privileges in schema public revoke all on sequences from public, ${rolePrefix}_a;
    alter default privileges grant execute on functions to public;
    alter default privileges revoke execute on routines from ${rolePrefix}_b;
    alter default privileges grant usage on types to public;
    alter default privileges revoke usage on types from ${rolePrefix}_a;
    alter default privileges grant all on tables to postgres;
    alter default privileges grant usage on types to postgres;`;

  describe('default privileges', () => {
    it('that were added after the drop have no effect', async () => {
      await run.knex.raw(schema);
      const before = await look();
      await run.up(migration);
      await run.knex.raw(everything);
      await run.down(migration);
      await run.knex.raw(nothing);
      expect(await look()).to.equal(before);
    });

    it('that were removed after the drop are not needed', async () => {
      await run.knex.raw(everything);
      await run.knex.raw(schema);
      const before = await look();
      await run.up(migration);
      await run.knex.raw(nothing);
      await run.down(migration);
      await run.knex.raw(everything);
      expect(await look()).to.equal(before);
    });

    it('leave no access list where there was none', async () => {
      await run.knex.raw(schema);
      await run.up(migration);
      await run.down(migration);
      const [row] = await run.rows(`
        select (select relacl from pg_class where relname = 'u') as relation,
          (select proacl from pg_proc where proname = 'g') as routine,
          (select typacl from pg_type where typname = 'r') as type`);
      expect(row).to.deep.equal({ relation: null, routine: null, type: null });
    });

    it('do not affect objects that exported DDL creates', async () => {
      await run.knex.raw(schema);
      const before = await look();
      const ddl = await run.knex.transaction((transaction) =>
        inSession(transaction, (session) => liveDdl(session, ['t', 'u'])),
      );
      await run.knex.raw('drop table t, u cascade');
      await run.knex.raw(everything);
      const client = await server.client(database.name);
      await client.query(formatDdl(ddl));
      await client.end();
      await run.knex.raw(nothing);
      expect(await look()).to.equal(before);
    });

    it('remain on objects that the restore did not create', async () => {
      await run.knex.raw(`${schema} alter default privileges grant all on tables to ${rolePrefix}_b;`);
      const { statements } = await planDrop(run.knex, { name: '001_tables', ...options });
      await run.knex.raw('create table other (id int)');
      const before = await look();
      const session = statements.filter(({ kind }) => kind === 'privileges').map(({ sql }) => sql);
      expect(session).to.have.length(2);
      await run.knex.raw(`begin; ${session.join(';\n')}; commit`);
      expect(await look()).to.equal(before);
    });

    it('do not require plpgsql if there are none', async () => {
      await run.knex.raw('drop extension plpgsql; create table t (id int); create table u (id serial)');
      const before = await look();
      await run.up(migration);
      await run.down(migration);
      expect(await look()).to.equal(before);
    });
  });

  describe('made by another role', () => {
    const handedOn = `
      grant select on t to ${rolePrefix}_a with grant option;
      set role ${rolePrefix}_a;
      grant select on t to ${rolePrefix}_b;
      reset role;`;
    const mine = `
      create role ${rolePrefix}_migrator nologin;
      grant create, usage on schema public to ${rolePrefix}_migrator;
      do $$ begin execute format('grant create on database %I to ${rolePrefix}_migrator', current_database()); end $$;
      set role ${rolePrefix}_migrator;
      create table t (id int);
      create table u (id int);
      grant select on t to ${rolePrefix}_a with grant option;
      reset role;
      set role ${rolePrefix}_a;
      grant select on t to ${rolePrefix}_b;
      reset role;`;

    it('leave the role of the session unchanged', async () => {
      await run.knex.raw(mine);
      await run.knex.raw(`grant ${rolePrefix}_a to ${rolePrefix}_migrator`);
      const before = await look();
      for (const step of [migration.up, migration.down]) {
        await run.knex.transaction(async (transaction) => {
          await transaction.raw(`set local role ${rolePrefix}_migrator`);
          await step(transaction);
          const { rows } = await transaction.raw(
            `select current_user as "user", current_setting('role') as role`,
          );
          expect(rows).to.deep.equal([{ user: `${rolePrefix}_migrator`, role: `${rolePrefix}_migrator` }]);
        });
      }
      expect(await look()).to.equal(before);
    });

    it('leave a session without SET ROLE unchanged', async () => {
      await run.knex.raw(`create table t (id int); create table u (id int); ${handedOn}`);
      await run.knex.transaction(async (transaction) => {
        await migration.up(transaction);
        const { rows } = await transaction.raw(
          `select current_user as "user", current_setting('role') as role`,
        );
        expect(rows).to.deep.equal([{ user: 'postgres', role: 'none' }]);
      });
    });

    it('are refused if the role may not act as the grantor', async () => {
      await server.sql(database.name, mine.replace('nologin', 'login'));
      const other = runner(server.url(database.name, `${rolePrefix}_migrator`));
      try {
        const error = await refusalOf(other.up(migration), 'not-reproducible');
        expect(error.subject).to.equal('public.t');
        expect(error.reason).to.equal(
          `public.t: privileges on it were granted by the role ${rolePrefix}_a, and ${rolePrefix}_migrator may not act as that role`,
        );
      } finally {
        await other.end();
      }
    });

    it('are refused like objects of an owner that it may not act as', async () => {
      await server.sql(
        database.name,
        `${mine.replace('nologin', 'login')}
        grant create on schema public to ${rolePrefix}_a;
        grant references on t to ${rolePrefix}_a;
        set role ${rolePrefix}_a;
        create function f(t) returns int language sql as 'select 1';`,
      );
      const other = runner(server.url(database.name, `${rolePrefix}_migrator`));
      try {
        const error = await refusalOf(other.up(migration), 'not-reproducible');
        expect(error.reason).to.include(
          `public.f(public.t): it belongs to the role ${rolePrefix}_a, and ${rolePrefix}_migrator may not act as that role`,
        );
      } finally {
        await other.end();
      }
    });
  });
});
