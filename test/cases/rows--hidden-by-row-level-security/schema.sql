create role case_hidden nologin;
create schema hidden authorization case_hidden;
set role case_hidden;
create table hidden.t (id int);
insert into hidden.t values (1);
alter table hidden.t enable row level security;
alter table hidden.t force row level security;
reset role;
