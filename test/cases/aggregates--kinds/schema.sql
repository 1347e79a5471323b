create table t (id int, v text);
create function add(t, t) returns t language sql immutable as 'select $1';
create function add_id(int, t) returns int language sql immutable as 'select coalesce($1, 0) + $2.id';
create function add_state(internal, t) returns internal language internal as 'array_agg_transfn';
create function subtract_id(int, t) returns int language sql immutable as 'select $1 - $2.id';
create function final(int) returns t language sql as 'select null::t';
create function final_extra(int, t) returns t language sql as 'select $2';
create aggregate plain(t) (sfunc = add, stype = t);
create aggregate everything(t) (sfunc = add_id, stype = int, sspace = 40, finalfunc = final_extra, finalfunc_extra,
  finalfunc_modify = shareable, combinefunc = int4pl, initcond = '7', msfunc = add_id, minvfunc = subtract_id,
  mstype = int, msspace = 50, mfinalfunc = final_extra, mfinalfunc_extra, mfinalfunc_modify = read_write,
  minitcond = '8', parallel = restricted);
create aggregate serial(t) (sfunc = add_state, stype = internal, finalfunc = numeric_avg, combinefunc = numeric_avg_combine,
  serialfunc = numeric_avg_serialize, deserialfunc = numeric_avg_deserialize, parallel = safe);
create function of_nothing(t) returns t language sql as 'select $1';
create aggregate nothing(*) (sfunc = of_nothing, stype = t, initcond = '(1,"a'' b")');
create function many(t, int, variadic text[]) returns t language sql as 'select $1';
create aggregate many(n int, variadic words text[]) (sfunc = many, stype = t, finalfunc_modify = read_write);
create role case_a nologin;
grant create on schema public to case_a;
alter aggregate nothing(*) owner to case_a;
grant execute on function plain(t) to case_a;
revoke execute on function everything(t) from public;
comment on aggregate nothing(*) is 'nothing';
comment on aggregate plain(t) is 'plain';
comment on aggregate many(int, variadic text[]) is 'many';
create view v as select (nothing(*)).id as n, plain(t) as p, many(id, v, v), plain(t) filter (where id > 0) over (order by id) from t group by t.*, id;
