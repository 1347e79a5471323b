create table t (id int primary key, a int, b text);
create table u (id int primary key);
create publication everything for all tables;
create publication picked for table t (id, b) where (id > 3), u with (publish = 'insert');
create publication others for table u;
