create table kept (id int primary key);
create table t (kept int references kept);
alter table t disable trigger all;
insert into t values (1);
alter table t enable trigger all;
