create table t (id int primary key);
create table "U u" (id int primary key);
create table other (id int primary key);
create publication one for table t, other with (publish = 'insert, truncate');
create publication "Two ""quoted""" for table "U u", t;
comment on publication one is 'stays';
