create table t (id int primary key);
create table survivor (t int references t);
