create schema s;
create type s.mood as enum ('ok', 'sad');
create domain letter as varchar(3) check (value in ('a', 'b', 'it''s'));
create function late(t text) returns boolean language plpgsql immutable as $$ begin return t = any (array['(ARRAY[']::text[]); end $$;
create table t (
  id int primary key,
  v varchar(10) check (v in ('a', 'b')) check (v not in ('(ARRAY[''x''::character varying])::text[]', E'back\\slash')),
  f varchar default 'c' check (f = any (array['c', 'd']::varchar[])),
  n numeric check (n = any (array[1, 2])) check (n in (1, 2.5)),
  net inet check (net in (cidr '10.0.0.0/8', cidr '192.168.0.0/16')),
  r regclass check (r in ('pg_class'::regclass, 'pg_type'::regclass)),
  m s.mood check (m in ('ok', 'sad')),
  l letter,
  other varchar check (v in (other, 'x')),
  w text check (w::varchar in ('a', 'b')),
  g boolean generated always as (v in ('a', 'b')) stored,
  matrix int check (matrix = any (array[array[1, 2], array[3, 4]]::bigint[]))
);
create index on t ((v in ('x', 'y'))) where v not in ('p', 'q') and late(v);
create view v as select v in ('a', 'b') as is_a, case when f in ('c', 'd') then 1 end as f, array['a']::varchar[]::text[] as arr from t where v in ('a', 'z');
alter table t enable row level security;
create policy p on t using (v in ('a', 'b')) with check (f not in ('c', 'e'));
create trigger tr before update on t for each row when (new.v in ('a', 'b')) execute function suppress_redundant_updates_trigger();
create statistics st on (v in ('a', 'b')), id from t;
create rule ru as on delete to t where old.v in ('a', 'b') do instead nothing;
create table parts (v varchar) partition by list ((v in ('a', 'b')));
create table parts_1 partition of parts for values in (true);
