create table t (id int);
create type c as (a int, kept t);
