create table t (id int);
create domain d as t;
create table stays (id int, kept d);
