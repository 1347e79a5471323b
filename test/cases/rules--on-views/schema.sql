create table t (id int primary key, v text);
create view w as select id, v from t;
create rule ins as on insert to w do instead insert into t values (new.id, new.v) returning id, v;
create rule upd as on update to w do instead (update t set v = new.v where id = old.id; notify changed);
create rule del as on delete to w where old.id > 5 do instead delete from t where id = old.id;
create rule del_rest as on delete to w do instead nothing;
comment on rule upd on w is 'writes through';
