create table t (id int);
create type c as (a int, kept t);
create function f() returns c language sql as 'select 1, null::t';
-- might contain an attribute by its number
create view v as select f() as c;
