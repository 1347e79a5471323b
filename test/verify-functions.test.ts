import { expect } from 'chai';
import { reversibleDrop } from '../src/index.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { inSession } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { verifyDatabase } from '../src/verify/verify.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('SQL functions that name dropped tables', () => {
  const server = useServer();

  const { run } = useDatabase(
    server,
    `
      create schema app;
      create table gone (id int);
      create table app."Gone" (id int);
      create table kept (id int);
      create view seen as select id from gone;
      set check_function_bodies = off;`,
  );

  const migration = reversibleDrop({ name: '1', tables: ['gone', 'app."Gone"'], dependents: 'cascade' });
  const up = () => quietly(() => run.up(migration));
  const make = (signature: string, body: string, set = '', language = 'sql') =>
    run.knex.raw(`set check_function_bodies = off;
      create function ${signature} returns int language ${language} ${set} as $$ ${body} $$`);

  async function look() {
    const { checks } = await inReadOnlySession(run.knex, (session) => verifyDatabase(session));
    return checks.find(({ name }) => name === 'SQL functions name no dropped table');
  }

  it('fail verify and are listed, whatever they do with the table', async () => {
    await make('reads()', 'select 1; select g.id from kept join gone as g using (id)');
    await make('writes(x int)', 'insert into public.gone values (x) returning id');
    await make('changes()', 'with w as (update app."Gone" set id = 1 returning id) select id from w');
    await make('"looks at"(anyelement)', 'select id from seen');
    await make('stays()', 'select id from kept');
    await up();
    expect(await look()).to.deep.include({
      state: 'failed',
      found:
        'public."looks at"(pg_catalog.anyelement) names public.seen, public.changes() names app."Gone", ' +
        'public.reads() names public.gone, public.writes(integer) names public.gone; 5 in SQL',
    });
    // As in an entry of an older version.
    await run.knex.raw('update undrop.drops set oids = null');
    const { found } = (await look()) ?? {};
    expect(found).to.include('public.reads() names public.gone').and.not.include('public.seen');
    await run.knex.raw('drop schema undrop cascade');
    expect(await look()).to.equal(undefined);
  });

  it('are found by the search path, which a function may set itself', async () => {
    await make('by_its_path()', 'select id from "Gone"', 'set search_path = app, public');
    await make('by_a_quoted_one()', 'select id from "Gone"', 'set search_path = "Of ""Others""", "app"');
    await make('of_its_owner()', 'select id from gone', 'set search_path = "$user", public');
    await make('by_another()', 'select id from "Gone"');
    await make('elsewhere()', 'select id from gone', `set search_path = ''`);
    await make('of_none()', 'select id from gone', 'set search_path = app');
    await make('another_schema()', 'select id from app.gone');
    await up();
    expect(await look()).to.deep.include({
      state: 'failed',
      found:
        'public.by_a_quoted_one() names app."Gone", public.by_its_path() names app."Gone", ' +
        'public.of_its_owner() names public.gone; 7 in SQL',
    });
    await run.knex.raw(`
      create view gone as select 1 as id;
      create schema "Of ""Others""";
      create table "Of ""Others"""."Gone" (id int);
      create table app."Gone" (other int);`);
    expect(await look()).to.deep.include({ state: 'ok', found: '7 in SQL' });
  });

  it('are listed without failing if the name may mean something else', async () => {
    await make('a_query()', 'with gone as (select 1 as id) select id from gone');
    await make('a_class()', `select 'gone'::regclass::oid::int`);
    await make('a_longer_name()', 'select gone_by from (values (1)) as v (gone_by)');
    await make('broken_before()', 'select id from nowhere');
    await make('in_another_language()', 'begin return (select id from gone); end', '', 'plpgsql');
    await up();
    expect(await look()).to.deep.include({
      state: 'ok',
      found: 'as a word only: public.gone in public.a_class(), public.gone in public.a_query(); 4 in SQL',
    });
  });

  it('are not checked if they cannot be parsed', async () => {
    await make('no_sql()', 'selec 1');
    await up();
    expect(await look()).to.deep.include({
      state: 'not checked',
      found: 'not parsed: public.no_sql(); 1 in SQL',
    });
  });

  it('are checked without running code of other roles, unlike by the validator of the language', async () => {
    await run.knex.raw(`
      create sequence calls;
      create function count_calls(int) returns boolean language plpgsql
        as $$ begin perform nextval('public.calls'); return true; end $$;
      create domain checked as int check (count_calls(value));
      create function literal() returns checked[] language sql as $$ select '{1}'::checked[] $$`);
    const calls = () => run.rows(`select pg_sequence_last_value('calls')::int as last`);
    const before = await calls();
    await up();
    expect(await look()).to.deep.include({ state: 'ok', found: '1 in SQL' });
    await inSession(run.knex, (session) => verifyDatabase(session));
    expect(await calls()).to.deep.equal(before);
    await run.knex.raw(
      `set check_function_bodies = on; select fmgr_sql_validator('literal()'::regprocedure)`,
    );
    expect(await calls()).not.to.deep.equal(before);
  });
});
