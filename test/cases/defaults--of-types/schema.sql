create schema app;
create type app.mood as enum ('ok', 'so "so"');
create domain app.code as text default 'none';
create table t (a app.mood default 'so "so"', b app.code default null, c app.mood[] default array['ok', null]::app.mood[],
  d int[] default '{{1,2},{3,4}}', e numeric default 'NaN', f timestamp default 'infinity', g bit(3) default b'101',
  h jsonb default '{"x\"y": null}', i text default E'tab\there', j regtype default 'app.mood');
