create table t (id int, double int generated always as (id * 2) virtual, constraint twice check (double < 100));
insert into t values (1), (null), (3);
create table plain (id int);
alter table t add column n text;
insert into t values (4, default, 'x');
