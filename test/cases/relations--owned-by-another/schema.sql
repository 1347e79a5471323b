create role case_owner nologin;
create schema theirs authorization case_owner;
set role case_owner;
create table theirs.t (id serial primary key, v int);
create view theirs.v as select id from theirs.t;
reset role;
