create table t (id int);
create type c as (a int, kept t);
create type d as (b int, values c[]);
create table users_of_c (id int, value d);
