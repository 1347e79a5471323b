create extension if not exists pg_stat_statements;
create table t (id int);
create function f(t) returns int language sql as 'select 1';
create procedure p(t) language sql as 'select 1';
alter function f depends on extension pg_stat_statements;
alter procedure p depends on extension pg_stat_statements;
