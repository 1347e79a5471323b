create table t (id int, v text);
create table u (id int);
create function f(t) returns int language sql immutable as 'select $1.id';
create function f(t, t) returns int language sql stable as 'select $1.id + $2.id';
create function f(t[]) returns int language sql as 'select 1';
create function f(variadic int[]) returns t language sql as 'select null::t';
create function f(t, variadic t[]) returns setof t language sql as 'select $1 union all select unnest($2)';
create function f(x t, y int default 7, z t default null) returns table (a t, b int) language sql as 'select x, y';
create function f(int) returns setof t language sql rows 7 cost 3 as 'select * from t';
create function f(inout x t, inout n bool) language plpgsql as 'begin n := true; end';
-- not dropped, because its argument type stays
create function f(u) returns int language sql as 'select 2';
comment on function f(t) is 'one';
comment on function f(t, variadic t[]) is 'it''s variadic';
comment on function f(x t, y int, z t) is 'defaults';
