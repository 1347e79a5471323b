create table t (a text storage external, b text storage main compression pglz, c bytea storage plain, d text storage default);
create table child (e text storage external) inherits (t);
alter table child alter a set storage extended;
