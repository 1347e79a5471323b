create table t (self regclass);
insert into t values ('t');
