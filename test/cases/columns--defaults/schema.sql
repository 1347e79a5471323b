create sequence shared_seq;
create function token() returns text language sql as $$ select 'x' $$;
create table t (
  a int default nextval('shared_seq'),
  b text default token(),
  c date default '2020-02-29',
  d timestamptz default '2020-01-01 00:00+02',
  e interval default '1 day 02:03',
  f float8 default 0.1,
  g bytea default '\xdeadbeef',
  h jsonb default '{"a": [1, "?"]}',
  i money default 12.34,
  j text default current_user,
  k name default session_user
);
