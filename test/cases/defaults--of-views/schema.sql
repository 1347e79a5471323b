create table t (id int primary key, a int, b text);
create view v as select id, a, b from t;
create view w as select id, a from v;
alter view v alter a set default 5;
alter view w alter a set default random() * 10;
alter view v alter b set default current_setting('timezone');
