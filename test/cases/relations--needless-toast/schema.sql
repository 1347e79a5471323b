create table t (id int, long text);
alter table t drop long;
create table u (id int, long text) with (toast.autovacuum_enabled = off);
