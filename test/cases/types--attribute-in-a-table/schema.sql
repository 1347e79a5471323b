create table t (id int);
create type c as (a int, kept t);
create table users_of_c (id int, value c);
