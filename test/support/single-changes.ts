import { rolePrefix } from './role-prefix.ts';
// `old`, `old_part` and what belongs to them are dropped before the record and restored after it. Everything else exists at
// the time of the record.
export const schema = `
  create role ${rolePrefix}_owner; create role ${rolePrefix}_reader; create role ${rolePrefix}_other login; create role ${rolePrefix}_member;
  grant ${rolePrefix}_reader to ${rolePrefix}_member;
  create schema app;
  create type app.mood as enum ('sad', 'happy');
  create domain app.email as text check (value like '%@%');
  create type app.pair as (a int, b int);
  create function app.noted() returns trigger language plpgsql as 'begin return new; end';
  create function app.twice(int) returns int language sql immutable as 'select 2 * $1';
  create function app.on_ddl() returns event_trigger language plpgsql as 'begin end';
  create procedure app.work() language sql as 'select 1';
  create foreign data wrapper app_wrapper;
  create server app_server foreign data wrapper app_wrapper;
  create user mapping for ${rolePrefix}_owner server app_server options (password 'secret');
  create publication app_pub;
  create view app.nothing as select 1 as one;
  ${['kept', 'old'].map(table).join('\n')}
  create table app.kept_part_2 partition of app.kept_part for values in (2);
  create materialized view app.counts as select count(*) as count from app.kept;
  select lo_create(4711);`;

function table(name: string): string {
  return `
    create table app.${name} (
      id serial primary key, name text default 'x' not null, mood app.mood, email app.email,
      size int check (size > 0), twice int generated always as (2) stored);
    create index ${name}_name on app.${name} (name);
    create statistics app.${name}_stats on size, name from app.${name};
    create table app.${name}_ref (id int references app.${name} on delete cascade, tag text);
    create table app.${name}_part (id int, tag text) partition by list (id);
    create table app.${name}_part_1 partition of app.${name}_part for values in (1);
    create view app.${name}_names as select name from app.${name};
    create trigger note before insert on app.${name} for each row execute function app.noted();
    create rule nothing as on delete to app.${name}_ref do also select 1;
    create policy own on app.${name} using (id > 0);
    alter table app.${name} enable row level security;
    grant select on app.${name} to ${rolePrefix}_reader;
    comment on table app.${name} is 'The table.';
    alter publication app_pub add table app.${name}_ref;`;
}

/** What verify reports: it fails and names the change; it names the change only; it lists the kind as not looked at. */
export type Outcome = 'failed' | 'named' | 'not looked at';

export interface Change {
  readonly what: string;
  readonly sql: string;
  readonly outcome: Outcome;
  /** The name in the output. */
  readonly name: string;
}

// A line each: the change | the name in the output | the statement.

/** Changes of a table `T` that exists, in the record or only in the archive. */
const ofTables = `
  owner | table app.T | alter table app.T owner to ${rolePrefix}_owner
  grant to public | table app.T | grant select on app.T to public
  grant to a role | table app.T | grant insert on app.T to ${rolePrefix}_other
  revoked grant | table app.T | revoke select on app.T from ${rolePrefix}_reader
  grant on a column | table column app.T.name | grant update (name) on app.T to ${rolePrefix}_other
  row-level security off | table app.T | alter table app.T disable row level security
  row-level security forced | table app.T | alter table app.T force row level security
  disabled trigger | trigger note on app.T | alter table app.T disable trigger note
  lost trigger | trigger note on app.T | drop trigger note on app.T
  new trigger | trigger extra on app.T | create trigger extra after delete on app.T for each row execute function app.noted()
  type of a column | table column app.T.size | alter table app.T alter size type bigint
  default | table column app.T.name | alter table app.T alter name set default 'y'
  lost default | table column app.T.name | alter table app.T alter name drop default
  not null | table column app.T.name | alter table app.T alter name drop not null
  statistics target | table column app.T.name | alter table app.T alter name set statistics 7
  storage of a column | table column app.T.name | alter table app.T alter name set storage plain
  new column | table column app.T.extra | alter table app.T add extra int
  lost column | table column app.T.email | alter table app.T drop email
  renamed column | table column app.T.mood | alter table app.T rename mood to humour
  lost index | index app.T_name | drop index app.T_name
  new index | index app.T_extra | create index T_extra on app.T (size)
  lost primary key | table constraint T_pkey on app.T | alter table app.T drop constraint T_pkey cascade
  lost check | table constraint T_size_check on app.T | alter table app.T drop constraint T_size_check
  new check | table constraint T_id_check on app.T | alter table app.T add check (id < 9)
  lost foreign key | table constraint T_ref_id_fkey on app.T_ref | alter table app.T_ref drop constraint T_ref_id_fkey
  deferred foreign key | table constraint T_ref_id_fkey on app.T_ref | alter table app.T_ref alter constraint T_ref_id_fkey deferrable
  disabled foreign key | app.T_ref | alter table app.T_ref disable trigger all
  changed policy | policy own on app.T | alter policy own on app.T using (true)
  lost policy | policy own on app.T | drop policy own on app.T
  new policy | policy extra on app.T | create policy extra on app.T using (true)
  lost rule | rule nothing on app.T_ref | drop rule nothing on app.T_ref
  new rule | rule extra on app.T_ref | create rule extra as on delete to app.T_ref do instead nothing
  lost statistics object | statistics object app.T_stats | drop statistics app.T_stats
  new statistics object | statistics object app.T_more | create statistics app.T_more on id, size from app.T
  new partition | table app.T_part_9 | create table app.T_part_9 partition of app.T_part for values in (9)
  lost partition | table app.T_part_1 | drop table app.T_part_1
  detached partition | table app.T_part_1 | alter table app.T_part detach partition app.T_part_1
  new child | table app.T_child | create table app.T_child () inherits (app.T_ref)
  comment | table app.T | comment on table app.T is 'Another.'
  comment on a column | table column app.T.name | comment on column app.T.name is 'New.'
  storage parameter | table app.T | alter table app.T set (fillfactor = 50)
  unlogged | table app.T_part_1 | alter table app.T_part_1 set unlogged
  replica identity | table app.T | alter table app.T replica identity full
  sequence | sequence app.T_id_seq | alter sequence app.T_id_seq increment by 2
  lost member of a publication | app.T_ref in publication app_pub | alter publication app_pub drop table app.T_ref
  new member of a publication | app.T in publication app_pub | alter publication app_pub add table app.T
  query of a view | view app.T_names | create or replace view app.T_names as select 'x'::text as name
  option of a view | view app.T_names | alter view app.T_names set (security_barrier = true)
  renamed table | table app.T_ref | alter table app.T_ref rename to moved`;

const failing = `
  lost function | function app.twice(integer) | drop function app.twice(int)
  body of a function | function app.twice(integer) | create or replace function app.twice(int) returns int language sql immutable as 'select 3 * $1'
  security definer | function app.twice(integer) | alter function app.twice(int) security definer
  settings of a function | function app.twice(integer) | alter function app.twice(int) set search_path = app
  grant on a function | function app.twice(integer) | revoke execute on function app.twice(int) from public
  procedure | procedure app.work() | drop procedure app.work()
  new security definer function | function app.leak() | create function app.leak() returns int language sql security definer as 'select 1'
  new event trigger | event trigger spy | create event trigger spy on ddl_command_end execute function app.on_ddl()
  new value of an enum | type app.mood | alter type app.mood add value 'calm'
  renamed value of an enum | type app.mood | alter type app.mood rename value 'sad' to 'blue'
  new attribute of a type | composite type column app.pair.c | alter type app.pair add attribute c int
  new constraint of a domain | short on app.email | alter domain app.email add constraint short check (length(value) < 99)
  lost constraint of a domain | email_check on app.email | alter domain app.email drop constraint email_check
  owner of a schema | schema app | alter schema app owner to ${rolePrefix}_owner
  grant on a schema | schema app | grant usage on schema app to public
  comment on a schema | comment on schema app | comment on schema app is 'New.'
  renamed schema | schema app | alter schema app rename to other
  default privileges | default acl | alter default privileges in schema app grant select on tables to public
  new publication of all tables | publication all_of_it | create publication all_of_it for all tables
  lost publication | publication app_pub | drop publication app_pub
  options of a server | server app_server | alter server app_server options (add host 'other')
  emptied materialized view | materialized view app.counts | refresh materialized view app.counts with no data
  partition attached | table app.kept_part_2 | alter table app.kept_part detach partition app.kept_part_2
  owner of the database | database | do $do$ begin execute format('alter database %I owner to ${rolePrefix}_owner', current_database()); end $do$
  grant on the database | database | do $do$ begin execute format('grant create on database %I to public', current_database()); end $do$
  connection limit of the database | database | do $do$ begin execute format('alter database %I connection limit 7', current_database()); end $do$
  setting of the database | settings of the database | do $do$ begin execute format('alter database %I set search_path = app', current_database()); end $do$
  setting of a role | settings of role ${rolePrefix}_reader | alter role ${rolePrefix}_reader set search_path = app
  setting of all roles | settings of all roles | alter role all set work_mem = '5MB'
  attribute of a role | role ${rolePrefix}_reader | alter role ${rolePrefix}_reader login
  bypassrls of a member | role ${rolePrefix}_member | alter role ${rolePrefix}_member bypassrls
  new superuser | superusers | alter role ${rolePrefix}_other superuser
  new member of a role | role ${rolePrefix}_reader | grant ${rolePrefix}_reader to ${rolePrefix}_other
  lost member of a role | role ${rolePrefix}_reader | revoke ${rolePrefix}_reader from ${rolePrefix}_member
  member of a member | role ${rolePrefix}_member | grant ${rolePrefix}_member to ${rolePrefix}_other
  member of pg_read_all_data | role pg_read_all_data | grant pg_read_all_data to ${rolePrefix}_other
  new user mapping | user mappings of server app_server | create user mapping for ${rolePrefix}_reader server app_server
  lost user mapping | user mappings of server app_server | drop user mapping for ${rolePrefix}_owner server app_server
  new subscription | subscriptions | create subscription app_sub connection 'host=nowhere' publication p with (connect = false, slot_name = none)`;

const named = `
  new table | table app.fresh | create table app.fresh (id int)
  new view | view app.fresh | create view app.fresh as select 1 as one
  new function | function app.fresh() | create function app.fresh() returns int language sql as 'select 1'
  new schema | schema fresh | create schema fresh
  new sequence | sequence app.fresh | create sequence app.fresh`;

/** The name is an item of the list `not looked at`. */
const unseen = `
  options of a user mapping | options of user mappings | alter user mapping for ${rolePrefix}_owner server app_server options (set password 'new')
  number of large objects | large objects | select lo_create(4712)
  lost large object | large objects | select lo_unlink(4711)
  rows | rows | insert into app.old (size) values (1)
  state of a sequence | states of sequences | select nextval('app.old_id_seq')
  password of a role | passwords | alter role ${rolePrefix}_reader password 'new'
  temporary table | temporary objects | create temporary table passing (id int)`;

function parse(lines: string, outcome: Outcome, table?: string): Change[] {
  return lines
    .trim()
    .split('\n')
    .map((line) => {
      const [what = '', name = '', sql = ''] = line
        .trim()
        .replaceAll('T', table ?? 'T')
        .split(' | ');
      return { what: table === undefined ? what : `${table}: ${what}`, sql, outcome, name };
    });
}

/** Changes of tables that were restored since the record, of other objects, of roles and of the database. */
export const changes: readonly Change[] = [
  ...parse(ofTables, 'failed', 'old'),
  ...parse(failing, 'failed'),
  ...parse(named, 'named'),
  ...parse(unseen, 'not looked at'),
];

/** The same changes of a table that existed at the time of the record. */
export const changesOfKept: readonly Change[] = parse(ofTables, 'failed', 'kept');
