create role case_ranger nologin;
create schema spans;
create table t (a int);
create type spans."Odd range" as range (subtype = t);
alter type spans."Odd range" owner to case_ranger;
revoke usage on type spans."Odd range" from public;
