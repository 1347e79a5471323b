create table t (id int);
create view v with (security_invoker = true) as select id from t;
create view w with (security_invoker = false, security_barrier) as select id from v;
