create table t (id int, n int);
insert into t values (1, null), (2, 2);
alter table t add constraint there not null n not valid;
alter table t add constraint positive check (n > 5) not enforced;
