create role case_default nologin;
create schema app;
create table app.t (id serial primary key);
create table t (id serial primary key);
revoke all on t from postgres;
alter default privileges in schema app grant select, insert on tables to case_default, public;
alter default privileges in schema app grant usage on sequences to case_default;
