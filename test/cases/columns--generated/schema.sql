create function twice(int) returns int immutable language sql as 'select $1 * 2';
create table t (
  a int,
  b int generated always as (a * 2) stored,
  c int generated always as (twice(a)) stored not null,
  d text generated always as (coalesce('x' || a::text, 'none')) stored,
  e int
);
create index on t (b);
