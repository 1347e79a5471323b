create table t (a int, b text) with (toast.autovacuum_enabled = false, fillfactor = 70);
-- no column needs the TOAST table any longer
create table kept (a int, b text) with (toast.autovacuum_vacuum_threshold = 5);
alter table kept set (toast.log_autovacuum_min_duration = 10);
alter table kept drop b;
create table never (a int);
alter table never set (toast.autovacuum_enabled = false);
create materialized view m as select * from t;
alter materialized view m set (toast.autovacuum_enabled = false, fillfactor = 50);
create materialized view numbers as select a from t;
alter materialized view numbers set (toast.autovacuum_enabled = false);
create table p (a int, b text) partition by range (a);
create table p1 partition of p for values from (0) to (10) with (toast.autovacuum_enabled = false);
