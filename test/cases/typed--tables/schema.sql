create type person as (name text, age int, tags text[]);
create table t of person;
create table u of person (name with options primary key, age with options not null default 7, check (age > 0));
create table v of person partition by range (age);
create table v1 partition of v for values from (0) to (10);
alter table t alter name set storage external;
alter table t alter name set compression pglz;
comment on column t.age is 'typed';
