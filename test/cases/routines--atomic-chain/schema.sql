create table t (id int primary key, v text default 'x');
create table u (id int);
create function count_t() returns bigint language sql begin atomic select count(*) from t; end;
create function b_count() returns bigint language sql return count_t() + 1;
create function a_count(x bigint default b_count()) returns bigint language sql return x + b_count();
create procedure fill(n int, inout last int) language sql
begin atomic
  insert into t (id) select generate_series(1, n);
  insert into u select id from t where v = 'x' on conflict do nothing;
  update t set v = v || a_count()::text where id = n returning id;
end;
create procedure fill_more() language sql begin atomic delete from t where id > a_count(); end;
create view v as select id, a_count() as n from t;
create function of_view(v) returns setof v language sql begin atomic select * from v where v.n > a_count(($1).n); end;
create view w as select * from v where exists (select from of_view(v));
create function grouped() returns table (id int, v text) language sql begin atomic select t.id, t.v from t group by t.id; end;
-- of a table that stays
alter table u add check (id < 5), alter id set default a_count();
create view of_u as select * from u where id < a_count();
