create table t (id int);
create function f(t) returns int language sql immutable as 'select $1.id';
create table u (id int, g int generated always as (id + f(null::t)) stored);
create function f(u) returns int language sql immutable as 'select $1.g';
create table w (id int, g int generated always as (id + f(null::u)) stored);
