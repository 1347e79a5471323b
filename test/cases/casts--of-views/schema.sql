create table t (id int, v text);
create view w as select id from t;
create function to_text(t) returns text language sql immutable as 'select $1.v';
create function to_int(w) returns int language sql immutable as 'select $1.id';
create cast (t as text) with function to_text(t) as implicit;
create cast (w as int) with function to_int(w) as assignment;
create view uses_it as select t::text as x from t;
comment on cast (t as text) is 'a cast';
