create table t (id int);
create table survivor (id int, kept t);
