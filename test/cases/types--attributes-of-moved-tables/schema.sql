-- as PostGraphile projects have them for the results of functions
create schema app;
create table app.posts (id serial primary key, title text);
create table app.tags (id int);
create type app.post_page as (items app.posts[], total int);
create type app.post_last as (total int, item app.posts);
create type app."Both ""kinds""" as (
  id int, post app.posts, "some Note" varchar(10)[] collate "C", tags app.tags[], kept numeric(5, 2));
comment on type app.post_page is 'A page.';
comment on column app.post_page.items is 'The items.';
comment on column app.post_page.total is 'All''s total.';
comment on column app."Both ""kinds"""."some Note" is 'A note.';
comment on column app."Both ""kinds""".id is 'Stays.';
create function app.page(first int default 10) returns app.post_page language sql stable
  as $$ select array_agg(p), count(*)::int from app.posts p $$;
create function app.pages() returns setof app.post_page language plpgsql as $$ begin return; end $$;
create function app.take(app.post_last[]) returns int language sql as 'select 1';
create type app.dropped_before as (a int, b text, item app.posts);
alter type app.dropped_before drop attribute a;
create type app.answer as (page app.post_page, pages app.post_page[], ok boolean);
create function app.answers(app.answer) returns app.answer[] language sql as 'select array[$1]';
insert into app.posts (title) values ('x');
