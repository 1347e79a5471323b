create table t (a int, b text, c int, d text);
alter table t drop column b;
alter table t add column e int generated always as (a + c) stored;
create index on t (d, a);
create statistics t_stats on a, d from t;
