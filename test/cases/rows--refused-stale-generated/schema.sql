create function price(int) returns int language sql immutable as $$ select $1 * 2 $$;
create table t (n int, p int generated always as (price(n)) stored);
insert into t values (1);
create or replace function price(int) returns int language sql immutable as $$ select $1 * 3 $$;
