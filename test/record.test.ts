import { expect } from 'chai';
import { seed } from '../seeds/01_turing.ts';
import { legacyTables } from '../seeds/turing/names.ts';
import { attest } from '../src/backup/take/attest.ts';
import { recordFacts } from '../src/baseline/record-facts.ts';
import { reversibleDrop } from '../src/index.ts';
import { restoreArchive } from '../src/restore/restore.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { inSession } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import type { Check } from '../src/verify/format.ts';
import { verifyDatabase } from '../src/verify/verify.ts';
import { type Runner, refusalOf, runner, withEnvironment } from './support/migrate.ts';
import { skip } from './support/skip.ts';
import { useServer } from './support/use-database.ts';

const schemaComment = 'Six tables are gone.';
const migration = reversibleDrop({ name: '044', tables: legacyTables, schemaComment });

const preparations = `
  create table accounts (id serial primary key, name text default 'x', "odd on name" int);
  create index accounts_name on accounts (name);
  create view account_names as select name from accounts;
  create function noted() returns trigger language plpgsql as 'begin return new; end';
  create trigger note before insert on accounts for each row execute function noted();
  create policy own on accounts using (id > 0);
  alter table accounts enable row level security;
  grant select on accounts to public;
  comment on table accounts is 'Who pays.'`;

describe('record of the facts', () => {
  const server = useServer();
  let run: Runner;
  let database: string;

  before(async () => {
    const made = await server.createDatabase();
    database = made.name;
    run = runner(made.url);
    await seed(run.knex);
    await run.knex.raw(preparations);
  });

  after(async () => {
    await run.end();
    await server.dropDatabase(database);
  });

  const quiet = <T>(work: () => Promise<T>) => withEnvironment({ UNDROP_BACKUP: 'off' }, () => quietly(work));
  const up = (one = migration) => quiet(() => run.up(one));
  const down = (one = migration) => quiet(() => run.down(one));
  const record = () => recordFacts(run.knex, 'a test');

  async function verify(strict = false): Promise<Check> {
    const { checks } = await inReadOnlySession(run.knex, (session) => verifyDatabase(session, { strict }));
    const check = checks.find(({ name }) => name === 'nothing else changed');
    if (check === undefined) throw new Error('verify has no check for other changes');
    return check;
  }

  it('is used by verify; without a record the check is skipped', async () => {
    expect(await verify()).to.include({ state: 'not checked' });
    const { objects, record: id } = await record();
    expect(objects).to.be.greaterThan(500);
    expect(await verify()).to.include({ state: 'ok' });
    expect((await verify()).found).to.match(
      new RegExp(`^${objects} objects unchanged; since record ${id} of .*, by postgres with a test$`),
    );
  });

  it('explains a drop, with the migration, and its restore', async () => {
    const { objects } = await record();
    await up();
    const dropped = await verify(true);
    expect(dropped.state, dropped.found).to.equal('ok');
    const [, same, taken] =
      /^(\d+) objects unchanged; explained by 044: (\d+); since/.exec(dropped.found) ?? [];
    // The comment on the schema is new where there was none.
    expect(Number(same) + Number(taken)).to.be.within(objects, objects + 1);
    expect(Number(taken)).to.be.greaterThan(20);
    await down();
    const back = await verify(true);
    expect(back.state, back.found).to.equal('ok');
    expect(back.found).to.match(new RegExp(`^${objects} objects unchanged; since record`));
  });

  it('explains a restore if it was made between the drop and the restore', async () => {
    await up();
    await record();
    expect((await verify(true)).found).not.to.include('explained');
    await quiet(() => inSession(run.knex, (session) => restoreArchive(session, { table: legacyTables[0] })));
    const one = await verify(true);
    expect(one.state, one.found).to.equal('ok');
    await down();
    const all = await verify(true);
    expect(all.state, all.found).to.equal('ok');
    expect(all.found).to.match(/explained by 044: \d+;/);
  });

  it('explains the dependent objects of a drop', async () => {
    await run.knex.raw(`
      create table goes (id serial primary key);
      create table stays (id int references goes, n int default nextval('goes_id_seq'));
      create view seen as select id from goes;
      create policy by_goes on stays using (id in (select id from goes))`);
    await record();
    const cascade = reversibleDrop({ name: 'cascade', tables: ['goes'], dependents: 'cascade' });
    await up(cascade);
    const dropped = await verify(true);
    expect(dropped.state, dropped.found).to.equal('ok');
    await run.knex.raw('alter table stays alter id set not null');
    expect((await verify()).found).to.match(/^changed: table column public\.stays\.id; /);
    await run.knex.raw('alter table stays alter id drop not null');
    await down(cascade);
    const back = await verify(true);
    expect(back.state, back.found).to.equal('ok');
    expect(back.found).not.to.include('explained');
  });

  for (const [what, change, undo, found] of [
    [
      'a dropped index',
      'drop index accounts_name',
      'create index accounts_name on accounts (name)',
      'missing: index public.accounts_name',
    ],
    [
      'a changed default',
      `alter table accounts alter name set default 'y'`,
      `alter table accounts alter name set default 'x'`,
      'changed: table column public.accounts.name',
    ],
    [
      'a broken view',
      'create or replace view account_names as select null::text as name',
      'create or replace view account_names as select name from accounts',
      'changed: view public.account_names',
    ],
    [
      'a lost grant',
      'revoke select on accounts from public',
      'grant select on accounts to public',
      'changed: table public.accounts',
    ],
    [
      'a disabled trigger',
      'alter table accounts disable trigger note',
      'alter table accounts enable trigger note',
      'changed: trigger note on public.accounts',
    ],
    [
      'a changed policy',
      'alter policy own on accounts using (true)',
      'alter policy own on accounts using (id > 0)',
      'changed: policy own on public.accounts',
    ],
    [
      'a changed function',
      `create or replace function noted() returns trigger language plpgsql as 'begin return null; end'`,
      `create or replace function noted() returns trigger language plpgsql as 'begin return new; end'`,
      'changed: function public.noted()',
    ],
    [
      'a lost comment',
      'comment on table accounts is null',
      `comment on table accounts is 'Who pays.'`,
      'changed: table public.accounts',
    ],
    [
      'a lost privilege on the schema',
      'revoke usage on schema public from public',
      'grant usage on schema public to public',
      'changed: schema public',
    ],
  ] as const) {
    it(`finds ${what} besides an open entry`, async () => {
      await record();
      await up();
      await run.knex.raw(change);
      const { state, found: text } = await verify();
      expect(state, text).to.equal('failed');
      expect(text.startsWith(`${found}; `), text).to.equal(true);
      expect(text).to.match(/explained by 044: \d+; since record/);
      await run.knex.raw(undo);
      expect(await verify(true)).to.include({ state: 'ok' });
      await down();
    });
  }

  it('reports a missing table without its columns and constraints', async () => {
    await run.knex.raw('create table lost (id int primary key, a int check (a > 0), "b.c" text)');
    await record();
    await run.knex.raw('drop table lost');
    expect((await verify()).found).to.match(/^missing: index public\.lost_pkey, table public\.lost; /);
  });

  it('reports new objects, and fails on them only with --strict', async () => {
    await record();
    await run.knex.raw('create table fresh (id int, a int)');
    const told = await verify();
    expect(told).to.include({ state: 'ok' });
    expect(told.found).to.match(/^new: table public\.fresh; \d+ objects unchanged;/);
    expect(await verify(true)).to.include({ state: 'failed', found: told.found });
    await run.knex.raw('drop table fresh');
  });

  it('lists ten objects and the number of the others', async () => {
    await record();
    await run.knex.raw(
      `do $$ begin for i in 1 .. 12 loop execute format('create table n%s ()', i); end loop; end $$`,
    );
    expect((await verify()).found).to.match(/^new: (table public\.n\d+, ){10}2 more; /);
    await run.knex.raw(
      `do $$ begin for i in 1 .. 12 loop execute format('drop table n%s', i); end loop; end $$`,
    );
  });

  it('ignores the states of sequences and the migrations table', async () => {
    await record();
    await run.knex.raw(`
      select nextval('accounts_id_seq');
      create table knex_migrations (id serial primary key, name text, batch int, migration_time timestamptz);
      create table knex_migrations_lock (index serial primary key, is_locked int)`);
    const { state, found } = await verify(true);
    expect(state, found).to.equal('ok');
    await run.knex.raw('drop table knex_migrations, knex_migrations_lock');
  });

  it('is also made by an attested backup, and reported with it', async () => {
    await inSession(run.knex, (session) => attest(session, 'snapshot 7'));
    expect((await verify()).found).to.match(/with backup --attest snapshot 7$/);
  });

  it('of another major version is compared by name', async () => {
    await record();
    await run.knex.raw(`update undrop.records set server_version = '13.1'`);
    await run.knex.raw(`alter table accounts alter name set default 'y'`);
    const { state, found } = await verify();
    expect(state, found).to.equal('ok');
    expect(found).to.include('compared by name only, since the record is from PostgreSQL 13.1');
    await run.knex.raw(`alter table accounts alter name set default 'x'`);
  });

  it('of the original is not used in a copy of the database', async function () {
    if (server.embedded) skip(this, 'every database of PGlite is a server of its own');
    await record();
    await run.end();
    const copy = await server.createDatabase(undefined, { template: database });
    run = runner(copy.url);
    expect(await verify()).to.include({ state: 'not checked' });
    await run.end();
    await server.dropDatabase(copy.name);
    run = runner(server.url(database));
  });

  it('is refused if it was damaged', async () => {
    await record();
    await run.knex.raw(`update undrop.records set digests = 'x'`);
    await refusalOf(verify(), 'archive-damaged');
  });
});
