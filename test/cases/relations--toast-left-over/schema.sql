create table t (a int, gone text, b varchar(10));
alter table t drop column gone;
insert into t values (1, 'x');
create table never (a int, b varchar(10));
