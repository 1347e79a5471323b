create table other (id int primary key);
create table t (id int primary key, o int references other on delete cascade, p int references t);
create table "Odd name" (id int primary key, t int constraint "Its key" references t);
alter table t disable trigger all;
alter table "Odd name" disable trigger all;
