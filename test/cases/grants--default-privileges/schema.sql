create role case_c nologin;
create table untouched (id serial primary key);
create table touched (id serial primary key);
grant select on touched to case_c;
alter default privileges in schema public grant all on tables to case_c;
alter default privileges grant all on sequences to case_c;
alter default privileges revoke insert on tables from postgres;
create table born (id serial primary key);
