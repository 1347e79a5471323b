create table t (a int);
create rule first as on insert to t where new.a > 1 do instead nothing;
alter rule first on t rename to "_RETURN";
comment on rule "_RETURN" on t is 'not that of a view';
alter table t disable rule "_RETURN";
