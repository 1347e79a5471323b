create role case_maker nologin;
create role case_taker nologin;
grant create on schema public to case_maker;
alter default privileges for role case_maker grant all on tables to case_taker;
alter default privileges for role postgres grant references on tables to case_taker;
set role case_maker;
create table t (id serial primary key);
reset role;
revoke trigger on t from case_taker;
