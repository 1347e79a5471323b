import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readEntries } from '../src/archive/entries.ts';
import { loadCapture } from '../src/archive/entry.ts';
import { digestOf } from '../src/archive/seal.ts';
import type { Statement } from '../src/capture/capture.ts';
import { refresh } from '../src/catalog/families/refresh.ts';
import { reversibleDrop } from '../src/index.ts';
import { restoreArchive } from '../src/restore/restore.ts';
import { archivedDdl, liveDdl } from '../src/script/ddl.ts';
import { formatDdl, writeDdl } from '../src/script/ddl-file.ts';
import { exportEntry } from '../src/script/export-entry.ts';
import { restoreDdl } from '../src/script/replay.ts';
import { pins } from '../src/session/pinned-settings.ts';
import { inSession } from '../src/session/session.ts';
import { refusalOf } from './support/migrate.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { onEmbedded } from './support/server.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('materialized views are filled', () => {
  const server = useServer();
  /** The name of the database on the server. */
  let name: string;

  const { database, run, sql, reopen } = useDatabase(server);
  const open = (user?: string) => reopen(server.url(database.name, user));

  beforeEach(async () => {
    name = server.embedded ? 'postgres' : database.name;
    await run.knex.raw(`
      create role ${rolePrefix}_owner login;
      create role ${rolePrefix}_plain nologin;
      grant create, usage on schema public to ${rolePrefix}_owner;
      create table t (id int primary key, at timestamptz not null default '2026-01-31 20:00Z');
      insert into t (id) values (1), (2);
      grant select on t to ${rolePrefix}_owner;`);
  });

  afterEach(async () => {
    await server.sql(
      'postgres',
      `drop role if exists ${rolePrefix}_owner, ${rolePrefix}_plain, ${rolePrefix}_migrator`,
    );
  });

  const migration = reversibleDrop({ name: '1_t', tables: ['t'], dependents: 'cascade', rows: 'copy' });
  const contents = (view = 'm') => sql(`select * from ${view}`);

  /** Refreshes the materialized view in a session of its owner. */
  async function asOwner(text: string): Promise<void> {
    if (onEmbedded) {
      await sql(text);
      return;
    }
    const client = await server.client(database.name, `${rolePrefix}_owner`);
    await client.query(text).finally(() => client.end());
  }

  /** Checks that down after up restores the same contents. */
  async function comesBack(view = 'm'): Promise<void> {
    const before = await contents(view);
    await run.up(migration);
    await run.down(migration);
    expect(await contents(view)).to.deep.equal(before);
  }

  describe('as their owner', () => {
    const greedy = `
      create function greedy() returns text language plpgsql as $$
      begin
        alter role ${rolePrefix}_owner superuser;
        return current_user;
      exception when insufficient_privilege then return current_user;
      end $$;
      create materialized view m as select greedy() as who, id from t`;
    const roles = () =>
      sql(`select rolname, rolsuper, rolcreaterole from pg_roles where rolname like 'case%' order by 1`);

    it('whose functions gain no privileges', async () => {
      await asOwner(greedy);
      const before = await roles();
      await comesBack();
      expect(await roles()).to.deep.equal(before);
      expect(await sql('select distinct who from m')).to.deep.equal([{ who: `${rolePrefix}_owner` }]);
    });

    it('by the rehearsal too, which changes nothing', async () => {
      await asOwner(greedy);
      const before = await roles();
      await run.up(migration);
      expect(await roles()).to.deep.equal(before);
      expect(await sql(`select from pg_class where relkind = 'm'`)).to.have.length(0);
    });

    it('by older archive entries, which fill them when they create them', async () => {
      await asOwner(
        `${greedy}; create materialized view n as select count(*) from m; create unique index on m (id)`,
      );
      const before = [await contents('m'), await contents('n'), await roles()];
      await run.up(migration);
      await makeOlder('1_t');
      await run.down(migration);
      expect([await contents('m'), await contents('n'), await roles()]).to.deep.equal(before);
    });

    /** Changes an entry to the older format, in which materialized views are not filled last. */
    async function makeOlder(name: string): Promise<void> {
      await inSession(run.knex, async (session) => {
        const entry = (await readEntries(session)).find(({ migration }) => migration === name);
        if (entry === undefined) throw new Error(`no entry of ${name}`);
        const { statements, facts, rows } = await loadCapture(session, entry);
        const isRefresh = ({ sql }: Statement) => sql.includes('undrop.view');
        expect(statements.filter(isRefresh)).to.have.length(4);
        const older = statements
          .filter((statement) => !isRefresh(statement))
          .map((statement) => ({ ...statement, sql: statement.sql.replace(/\nwith no data$/, '') }));
        await session.run('delete from undrop.statements where drop_id = $1', [entry.id]);
        for (const [position, { kind, identity, sql }] of older.entries())
          await session.run('insert into undrop.statements values ($1, $2, $3, $4, $5)', [
            ...[entry.id, position, kind, identity, sql],
          ]);
        const head = `'.' || pg_catalog.split_part(digest, '.', 2)`;
        await session.run(`update undrop.drops set digest = $1::text || ${head} where id = $2`, [
          digestOf(older, facts, rows),
          entry.id,
        ]);
      });
    }

    it('who sees only the rows that policies allow', async () => {
      await run.knex.raw(`
        alter table t enable row level security;
        create policy p on t using (id = 2)`);
      await asOwner('create materialized view m as select id from t');
      await comesBack();
      expect(await contents()).to.deep.equal([{ id: 2 }]);
    });

    it('by a role that may act as the owner but does not inherit the privileges', async () => {
      const plainly = server.major < 16 ? '' : 'with inherit false, set true';
      await run.knex.raw(`
        create role ${rolePrefix}_migrator login noinherit;
        grant ${rolePrefix}_owner to ${rolePrefix}_migrator ${plainly};
        grant create on database "${name}" to ${rolePrefix}_migrator;
        grant create, usage on schema public to ${rolePrefix}_migrator;
        alter table t owner to ${rolePrefix}_migrator`);
      await asOwner('create materialized view m as select id, current_user::text as who from t');
      await open(`${rolePrefix}_migrator`);
      await run.knex.transaction((transaction) => migration.up(transaction));
      await run.knex.transaction(async (transaction) => {
        await migration.down(transaction);
        const { rows } = await transaction.raw(`select current_user as who, current_setting('role') as role`);
        expect(rows).to.deep.equal([
          { who: onEmbedded ? 'postgres' : `${rolePrefix}_migrator`, role: 'none' },
        ]);
      });
      expect(await contents()).to.deep.equal(
        [1, 2].map((id) => ({ id, who: onEmbedded ? 'postgres' : `${rolePrefix}_owner` })),
      );
    });

    it('and refused if the owner may no longer read their tables', async () => {
      await run.knex.raw(`create table kept (id int); grant select on kept to ${rolePrefix}_owner`);
      await asOwner('create materialized view m as select t.id from t left join kept using (id)');
      await run.knex.raw(`revoke select on kept from ${rolePrefix}_owner`);
      const error = await refusalOf(run.up(migration), 'not-reproducible');
      expect(error.subject).to.equal('public.m');
      expect(error.reason).to.include('permission denied for table kept');
      expect(await contents()).to.have.length(2);
      await run.knex.raw(`grant select on kept to ${rolePrefix}_owner`);
      await run.up(migration);
      await run.knex.raw(`revoke select on kept from ${rolePrefix}_owner`);
      expect((await refusalOf(run.down(migration), 'restore-failed')).subject).to.equal('public.m');
    });
  });

  describe('with the settings of a session of their owner', () => {
    const telling = `
      create materialized view m as select id, at::date as day, at::text as at,
        (interval '-1 day 2 hours')::text as span, '\\x01'::bytea::text as bytes, (0.1::float8 + 0.2)::text as sum,
        1234.5::numeric::money::text as money, '{null}'::text[]::text as list,
        current_setting('row_security') as secure, current_setting('search_path') as path,
        current_setting('app.tenant', true) as tenant, current_setting('xmloption') as xml
      from t`;

    it('of the database', async () => {
      await run.knex.raw(`
        alter database "${name}" set timezone = 'Asia/Tokyo';
        alter database "${name}" set datestyle = 'German, DMY';
        alter database "${name}" set intervalstyle = 'iso_8601';
        alter database "${name}" set bytea_output = 'escape';
        alter database "${name}" set extra_float_digits = -5;
        alter database "${name}" set xmloption = 'document';
        alter database "${name}" set app.tenant = 'of the database'`);
      await asOwner(telling);
      await comesBack();
      const [row] = await contents();
      expect(row).to.include({ at: '01.02.2026 05:00:00 JST', span: 'P-1DT2H', bytes: '\\001', sum: '0.3' });
      expect(row).to.include({ tenant: 'of the database', secure: 'on', xml: 'document' });
    });

    it('of the role in the database, before those of the role, before those of the database', async () => {
      await run.knex.raw(`
        alter database "${name}" set timezone = 'Asia/Tokyo';
        alter database "${name}" set datestyle = 'SQL, DMY';
        alter database "${name}" set intervalstyle = 'iso_8601';
        alter role ${rolePrefix}_owner set datestyle = 'German, DMY';
        alter role ${rolePrefix}_owner set timezone = 'America/Lima';
        alter role ${rolePrefix}_owner set app.tenant = 'of the role';
        alter role ${rolePrefix}_owner in database "${name}" set timezone = 'Europe/Paris'`);
      await asOwner(telling);
      await comesBack();
      expect((await contents())[0]).to.include({
        at: '31.01.2026 21:00:00 CET',
        span: 'P-1DT2H',
        tenant: 'of the role',
      });
    });

    it('including all pinned settings that affect the result of a query', () => {
      const [, block = ''] = refresh('public.m');
      const left = Object.keys(pins).filter((name) => !block.includes(`'${name}'`));
      expect(left).to.have.members([
        ...[
          'check_function_bodies',
          'client_encoding',
          'client_min_messages',
          'default_table_access_method',
          'default_tablespace',
          'jit',
        ],
      ]);
    });

    it('of the server', async () => {
      await asOwner(telling);
      await comesBack();
    });

    it('whatever settings the session of the migration has', async () => {
      await asOwner(telling);
      const before = await contents();
      for (const direction of ['up', 'down'] as const) {
        await run.knex.transaction(async (transaction) => {
          await transaction.raw(
            `set local timezone = 'Asia/Tokyo'; set datestyle = 'German'; set bytea_output = 'escape'`,
          );
          await migration[direction](transaction);
          const { rows } = await transaction.raw('show timezone');
          expect(rows).to.deep.equal([{ TimeZone: 'Asia/Tokyo' }]);
        });
      }
      expect(await contents()).to.deep.equal(before);
    });

    it('as they are at the time of the restore', async () => {
      await asOwner(telling);
      await run.up(migration);
      await run.knex.raw(`alter database "${name}" set timezone = 'Asia/Tokyo'`);
      await open();
      await run.down(migration);
      expect((await contents())[0]).to.include({ at: '2026-02-01 05:00:00+09' });
    });

    it('with the search path of the owner, if REFRESH does not set it', async () => {
      const unqualified = `
        create function public.helper() returns text language plpgsql as $$ begin return 'helped ' || note(); end $$;
        create materialized view public.m as select public.helper() as note from public.t`;
      await run.knex.raw(`
        create schema tools;
        create function tools.note() returns text language sql as 'select ''of tools''::text';
        grant usage on schema tools to ${rolePrefix}_owner;
        alter database "${name}" set search_path = tools, public`);
      await open();
      if (server.major < 17) {
        await asOwner(unqualified);
        await comesBack();
        return;
      }
      await asOwner(`set check_function_bodies = off; ${unqualified} with no data`);
      // This view can only have been filled before the server was upgraded.
      await run.knex.raw(`update pg_class set relispopulated = true where relname = 'm'`);
      const error = await refusalOf(run.up(migration), 'not-reproducible');
      expect(error.subject).to.equal('public.m');
      expect(error.reason)
        .to.include('function note() does not exist')
        .and.include('PL/pgSQL function public.helper()');
      expect(error.reason).to.include('refresh materialized view public.m');
    });

    it('refused if those of the session user hide those of the server', async () => {
      await run.knex.raw(`
        create role ${rolePrefix}_migrator login superuser;
        alter role ${rolePrefix}_migrator set timezone = 'Asia/Tokyo';
        alter role ${rolePrefix}_migrator set app.tenant = 'x'`);
      await asOwner(telling);
      const before = await contents();
      await open(`${rolePrefix}_migrator`);
      const error = await refusalOf(run.up(migration), 'not-reproducible');
      expect(error.subject).to.equal('public.m');
      expect(error.reason).to.include(
        `the value of TimeZone, app.tenant for role ${rolePrefix}_owner cannot be determined`,
      );
      expect(error.reason).to.include(`reset that of role ${rolePrefix}_migrator`);
      await run.knex.raw(
        `alter role ${rolePrefix}_owner set app.tenant = 'y'; alter role ${rolePrefix}_owner set timezone = 'UTC'`,
      );
      await run.up(migration);
      await run.knex.raw(`alter role ${rolePrefix}_owner reset timezone`);
      expect((await refusalOf(run.down(migration), 'restore-failed')).reason).to.include('TimeZone');
      await run.knex.raw(`alter role ${rolePrefix}_migrator reset timezone`);
      await open(`${rolePrefix}_migrator`);
      await run.down(migration);
      expect(await contents()).to.deep.equal(before.map((row) => ({ ...row, tenant: 'y' })));
    });

    it('which are the initial ones of the session if the owner runs the migration', async () => {
      await run.knex.raw(`
        grant create on database "${name}" to ${rolePrefix}_owner;
        alter table t owner to ${rolePrefix}_owner;
        alter role ${rolePrefix}_owner set timezone = 'Asia/Tokyo'`);
      await asOwner(telling);
      await open(`${rolePrefix}_owner`);
      await comesBack();
    });
  });

  it('without the owner’s search path while an event trigger runs as the role that migrates', async () => {
    await run.knex.raw(`
      create schema evil authorization ${rolePrefix}_owner;
      alter role ${rolePrefix}_owner set search_path = evil, pg_catalog, public;
      create table public.heard (who text);
      create function public.hear() returns event_trigger language plpgsql as $$
        begin insert into public.heard values (upper(tg_tag)); end $$`);
    await asOwner(`
      create function evil.upper(text) returns text language plpgsql as $$
        begin execute 'alter role ${rolePrefix}_owner superuser'; return 'evil'; end $$;
      create materialized view public.m as select id from t`);
    await run.knex.raw('create event trigger hearing on ddl_command_end execute function public.hear()');
    await comesBack();
    expect(await sql(`select rolsuper from pg_roles where rolname = '${rolePrefix}_owner'`)).to.deep.equal([
      { rolsuper: false },
    ]);
    const heard = await sql(
      `select distinct who from heard where who in ('evil', 'REFRESH MATERIALIZED VIEW')`,
    );
    expect(heard).to.deep.equal([{ who: 'REFRESH MATERIALIZED VIEW' }]);
  });

  describe('last', () => {
    it('in the order in which they read each other, also through views and functions', async () => {
      await asOwner(`
        create materialized view m9 as select id from t;
        create view v as select id + 1 as id from m9;
        create materialized view m5 as select id from v;
        create materialized view m1 as select sum(id) as id from m5 union all select count(*) from m9;
        create materialized view m0 as select id from m1 with no data;
        create unique index on m1 (id);
        create index on m5 (id)`);
      const read = async () => [await contents('m9'), await contents('m5'), await contents('m1')];
      const before = await read();
      await run.up(migration);
      const { statements } = await inSession(run.knex, (session) =>
        archivedDdl(session, { migration: '1_t' }),
      );
      const last = statements.slice(-6).map(({ identity }) => identity);
      expect(last).to.deep.equal(['m9', 'm9', 'm5', 'm5', 'm1', 'm1'].map((name) => `public.${name}`));
      await run.down(migration);
      expect(await read()).to.deep.equal(before);
      expect(await sql(`select relispopulated from pg_class where relname = 'm0'`)).to.deep.equal([
        { relispopulated: false },
      ]);
    });

    it('and refused with details if a unique index is violated', async () => {
      await run.knex.raw('create table kept (id int); insert into kept values (1)');
      await asOwner('create materialized view empty as select 1');
      await run.knex.raw(`
        create materialized view m as select kept.id from kept where (select count(*) from t) >= 0;
        create unique index on m (id)`);
      await run.up(migration);
      await run.knex.raw('insert into kept values (1)');
      const error = await refusalOf(run.down(migration), 'restore-failed');
      expect(error.subject).to.equal('public.m');
      expect(error.reason.split('\n').slice(0, 2)).to.deep.equal([
        'could not create unique index "m_id_idx"',
        'Key (id)=(1) is duplicated.',
      ]);
      await run.knex.raw('delete from kept; insert into kept values (2)');
      await run.down(migration);
      expect(await contents()).to.deep.equal([{ id: 2 }]);
    });

    it('of a table that is restored alone, and then those of the other tables', async () => {
      await asOwner('create materialized view m as select id, current_user as who from t');
      await run.knex.raw('create table u (id int)');
      const both = reversibleDrop({ name: '1_t', tables: ['t', 'u'], dependents: 'cascade', rows: 'copy' });
      const before = await contents();
      await run.up(both);
      const wanted = { migration: '1_t', table: 't' };
      await run.knex.transaction((transaction) =>
        inSession(transaction, (session) => restoreArchive(session, wanted)),
      );
      expect(await contents()).to.deep.equal(before);
      await run.down(both);
      expect(await contents()).to.deep.equal(before);
    });
  });

  describe('by exported files too', () => {
    const view = `
      create materialized view m as
      select id, at::date as day, at::text as at, current_user as who, current_setting('timezone') as zone from t`;
    let folder: string;

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'undrop-refresh-'));
      await run.knex.raw(`alter database "${name}" set timezone = 'Asia/Tokyo'`);
      await open();
      await asOwner(view);
    });

    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    it('run by any client', async () => {
      const ddl = await inSession(run.knex, (session) => liveDdl(session, ['t']));
      await run.knex.raw('drop table t cascade');
      const client = await server.client(database.name);
      const script = formatDdl(ddl).replace(/commit;\n$/, 'table public.m; show timezone; commit;\n');
      const results = (await client.query(script).finally(() => client.end())) as unknown as {
        rows: object[];
      }[];
      expect(results.at(-2)?.rows).to.deep.equal([{ TimeZone: pins.timezone }]);
      expect(await sql(`select relispopulated from pg_class where relname = 'm'`)).to.deep.equal([
        { relispopulated: true },
      ]);
    });

    it('and by restore --from-ddl, with rows', async () => {
      const before = await contents();
      await run.up(migration);
      const entry = await inSession(run.knex, async (session) => (await readEntries(session))[0]);
      if (entry === undefined) throw new Error('no entry');
      const { file } = await inSession(run.knex, (session) => exportEntry(session, entry, folder));
      await inSession(run.knex, (session) => restoreDdl(session, file));
      expect(await contents()).to.deep.equal(before);
      expect(before[0]).to.include({ zone: 'Asia/Tokyo' });
    });

    it('which are refused with the message of the server', async () => {
      await run.knex.raw(`create table kept (id int); grant select on kept to ${rolePrefix}_owner`);
      await asOwner('create materialized view n as select t.id from t left join kept using (id)');
      const ddl = await inSession(run.knex, (session) => liveDdl(session, ['t']));
      await writeDdl(ddl, folder, false);
      await run.knex.raw(`drop table t cascade; revoke select on kept from ${rolePrefix}_owner`);
      const [name = ''] = readdirSync(folder);
      const error = await refusalOf(
        inSession(run.knex, (session) => restoreDdl(session, join(folder, name))),
        'insufficient-privilege',
      );
      expect(error.reason)
        .to.include('permission denied for table kept')
        .and.include('refresh materialized view public.n');
    });
  });
});
