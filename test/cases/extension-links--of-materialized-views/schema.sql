create extension if not exists pg_stat_statements;
create table t (id int);
create materialized view m as select id from t;
alter materialized view m depends on extension pg_stat_statements;
