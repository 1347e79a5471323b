create table t ();
insert into t default values;
insert into t default values;
insert into t default values;
create table lost (a int, b int);
insert into lost values (1, 1), (2, 2);
alter table lost drop a, drop b;
