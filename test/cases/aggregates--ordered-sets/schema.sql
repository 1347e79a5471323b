create table t (id int, v text);
create function state(t, t) returns t language sql as 'select $2';
create function state(t, variadic "any") returns t language internal as 'pg_backend_pid';
create function final(t, float8) returns t language sql as 'select $1';
create function final_hypothetical(t, variadic "any") returns t language internal as 'pg_backend_pid';
create aggregate percentile(p float8 order by t) (sfunc = state, stype = t, finalfunc = final);
create aggregate shared(p float8 order by t) (sfunc = state, stype = t, finalfunc = final, finalfunc_modify = shareable);
create aggregate rank_of(variadic "any" order by variadic "any") (sfunc = state, stype = t, finalfunc = final_hypothetical,
  finalfunc_extra, hypothetical);
create aggregate no_direct(order by t) (sfunc = state, stype = t);
comment on aggregate percentile(float8 order by t) is 'ordered';
comment on aggregate rank_of(variadic "any" order by variadic "any") is 'hypothetical';
comment on aggregate no_direct(order by t) is 'none';
create role case_a nologin;
grant execute on function percentile(float8, t) to case_a with grant option;
grant execute on routine rank_of("any") to case_a;
create view v as select percentile(0.5) within group (order by t) from t;
