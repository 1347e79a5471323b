create table t (id int);
create function describe(t) returns text language sql as 'select $1::text';
