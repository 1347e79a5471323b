create table t (a int, b text);
create materialized view m as select a, b, b || 'x' as c from t;
alter materialized view m alter column b set compression pglz;
alter materialized view m alter column c set storage external;
alter materialized view m alter column a set statistics 500;
alter materialized view m alter column c set (n_distinct = -0.5);
