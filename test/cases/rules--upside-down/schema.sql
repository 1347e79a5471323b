create table t (id int, v text default 'x');
create rule "Zuletzt" as on insert to t where new.id < 0 do instead nothing;
create rule a as on insert to t where new.id > 100 do instead insert into t values (100, 'too big ?');
create rule b as on update to t do instead nothing;
