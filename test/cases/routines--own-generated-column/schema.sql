create function f(int) returns int language sql immutable as 'select 1';
create table t (id int, g int generated always as (f(id)) stored);
create or replace function f(int) returns int language sql immutable begin atomic select max(id) from t where id < $1; end;
create view v as select * from t;
